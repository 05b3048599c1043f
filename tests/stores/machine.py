"""Any sequence of calls, made to a store and to its model."""

from typing import Any

import anyio
from clocks import Clock
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from geetest_asgi.stores import Store

KEYS = st.sampled_from("abcdef")
LONG_AND_JSON = st.sampled_from(["x" * 8192, '["passed", "", "", {"scene": "\\ud800"}]'])
TEXTS = st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=20) | LONG_AND_JSON
SECONDS = st.sampled_from([1.0, 5.0, 60.0])


class StoreMachine(RuleBasedStateMachine):
    """`store` does what `model` does, whatever is done to it and whichever lifetimes the keys have."""

    store: Store
    model: Store
    clock: Clock
    """Of both."""

    def both(self, verb: str, *arguments: Any) -> None:
        expected, answer = (anyio.run(getattr(each, verb), *arguments) for each in (self.model, self.store))
        assert answer == expected

    @rule(key=KEYS, value=TEXTS, seconds=SECONDS)
    def add(self, key: str, value: str, seconds: float) -> None:
        self.both("add", key, value, seconds)

    @rule(key=KEYS)
    def pop(self, key: str) -> None:
        self.both("pop", key)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.both("delete", key)

    @rule(key=KEYS, seconds=SECONDS)
    def count(self, key: str, seconds: float) -> None:
        self.both("count", key, seconds)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 5.0, 60.0]))  # also the very moment at which a key ends
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

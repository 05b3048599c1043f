"""The types of the helpers' settings are those of `Rule` and `GeeTestMiddleware`, name by name."""

import dataclasses
import inspect
from typing import get_type_hints

from geetest_asgi import GeeTestMiddleware, Rule
from geetest_asgi._routes.settings import GuardSettings, MarkSettings, PluginSettings


def test_a_mark_takes_what_a_rule_takes() -> None:
    rule = get_type_hints(Rule)
    assert get_type_hints(MarkSettings) == {
        each.name: rule[each.name] for each in dataclasses.fields(Rule) if each.name != "pattern"
    }


def test_a_helper_takes_what_the_middleware_takes() -> None:
    given = get_type_hints(GeeTestMiddleware.__init__)
    names = [name for name in inspect.signature(GeeTestMiddleware).parameters if name not in ("app", "protect")]
    assert get_type_hints(GuardSettings) == {name: given[name] for name in names}
    assert GuardSettings.__annotations__.keys() - PluginSettings.__annotations__.keys() == {"exempt", "root_paths"}

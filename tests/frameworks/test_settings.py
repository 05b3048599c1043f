"""The types of the helpers' settings are those of `Rule` and `GeeTestMiddleware`, name by name."""

import dataclasses
import inspect
from typing import Any, get_type_hints

import pytest

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


def test_djangos_setting_takes_what_the_middleware_takes_and_functions_by_their_dotted_path() -> None:
    django = pytest.importorskip("geetest_asgi.django", reason="django is not installed")
    given: dict[str, Any] = get_type_hints(GeeTestMiddleware.__init__)
    del given["app"], given["return"]
    for name in set(django.FUNCTIONS) - {"client"}:  # which is Any
        given[name] |= str
    taken = get_type_hints(django.GeeTestSettings)
    assert taken["protect"] | None == given["protect"], "None is every request, and a site has pages without a captcha"
    assert taken | {"protect": None} == given | {"protect": None}
    assert django.GeeTestSettings.__required_keys__ == {"protect"}

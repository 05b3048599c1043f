"""Whole sites in a browser: a plain form through the guard, strict policies, a page that steers the simulator."""

import json

import pytest

from .form_stage import PASSED
from .stage import Stage


def log_in(stage: Stage) -> dict[str, object]:
    with stage.page.expect_navigation(url="**/login"):
        stage.page.get_by_role("button", name="Log in").click()
    return answer(stage)


def answer(stage: Stage) -> dict[str, object]:
    said: dict[str, object] = json.loads(stage.page.inner_text("body"))
    return said


@pytest.mark.parametrize("policy", ["", "strict", "nonce"])
@pytest.mark.parametrize("product", ["float", "popup"])
def test_a_plain_form_arrives_as_passed(stage: Stage, product: str, policy: str) -> None:
    stage.go(f"form.html?product={product}&policy={policy}")
    stage.open_box()
    box = stage.button.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (260, 50), "the styles are there, whatever the policy"
    stage.solve()
    stage.page.get_by_text("Verified").first.wait_for()
    assert log_in(stage) == PASSED
    assert [call.result for call in stage.simulator.calls] == ["success"]


def test_bind_at_the_submission_of_a_form(stage: Stage) -> None:
    stage.go("form.html?product=bind&policy=strict")
    stage.page.locator("form[data-ready]").wait_for()
    stage.page.get_by_role("button", name="Log in").click()
    with stage.page.expect_navigation(url="**/login"):
        stage.solve()
    assert answer(stage) == PASSED

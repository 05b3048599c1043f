"""Calling the user's functions, which may be plain or asynchronous."""

import inspect
from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from .._core.model import GeeTestResult
from .._core.policy import Policy
from ..observers.logs import log_decision, log_hook_raised


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's answer, awaited if it must be."""
    answer = function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer


async def tell(policy: Policy, result: GeeTestResult, scope: Scope | None, *, log_client: bool = True) -> None:
    """Log the decision and tell the user's observer. A fault in an observer is logged; the decision stands."""
    log_decision(result, scope, policy.mode, log_client=log_client)
    if policy.on_result is None:
        return
    try:
        await call(policy.on_result, result, scope)
    except Exception:
        log_hook_raised("on_result")

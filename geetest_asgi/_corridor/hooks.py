"""Calling the user's functions, which may be plain or asynchronous."""

import inspect
from collections.abc import Callable
from typing import Any

from ..observers.logs import log_hook_raised


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's answer, awaited if it must be."""
    answer = function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer


async def observe(hook: str, function: Callable[..., Any], *arguments: Any) -> None:
    """Tell a function that decides nothing. What it raises is logged."""
    try:
        await call(function, *arguments)
    except Exception:
        log_hook_raised(hook)

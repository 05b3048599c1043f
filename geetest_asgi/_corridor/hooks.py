"""Call the user's functions, which may be plain or asynchronous."""

import inspect
from collections.abc import Callable
from typing import Any

from ..observers.logs import log_hook_raised


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function and return its value, awaited where it is awaitable."""
    value = function(*arguments)
    return await value if inspect.isawaitable(value) else value


async def notify(hook: str, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function whose value does not matter. An exception is logged under the name `hook`."""
    try:
        await call(function, *arguments)
    except Exception:
        log_hook_raised(hook)

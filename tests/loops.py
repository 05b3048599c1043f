"""The kinds of event loop that a guard runs in."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import pytest

T = TypeVar("T")

LOOPS = ("asyncio", "uvloop", "trio")


def run_on(loop: str, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run a function on a loop of this kind; skip the test where uvloop is not installed."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    backend, options = ("trio", {}) if loop == "trio" else ("asyncio", {"use_uvloop": loop == "uvloop"})
    return anyio.run(function, *arguments, backend=backend, backend_options=options)

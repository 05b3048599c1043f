"""The application of `--app module:attribute`, loaded as uvicorn does it."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

from .._core.errors import ConfigError
from .errors import UsageError


def load_app(text: str, *, factory: bool) -> Any:
    """The object that `text` names, from the current directory too. `factory`: what it returns when called."""
    module, _, attribute = text.partition(":")
    if not module or not attribute or module.startswith((".", "/")):
        raise UsageError(f"--app {text}: write it as for uvicorn, 'package.module:attribute'")
    sys.path.insert(0, os.getcwd())
    found = _attribute(_module(module), text, attribute)
    if factory:
        found = attempt(f"calling {text}", found)
    if not callable(found):
        raise UsageError(f"--app {text}: that is {_a(found)}, and no ASGI application")
    if not factory and inspect.isfunction(found) and not inspect.iscoroutinefunction(found) and _takes_nothing(found):
        raise UsageError(f"--app {text}: that is a function without arguments; if it makes the app, add --factory")
    return found


def attempt(doing: str, call: Callable[[], Any]) -> Any:
    """The user's code, run. A setting of ours that it gets wrong is told as such, anything else with a traceback."""
    try:
        return call()
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exception(error)
        raise UsageError(f"{doing} failed: {type(error).__name__}, see above") from None


def _module(name: str) -> Any:
    try:
        return attempt(f"importing {name}", lambda: _import(name))
    except _MissingError:
        raise UsageError(f"--app: there is no module {name!r} in {os.getcwd()} or where Python looks") from None


class _MissingError(ConfigError):
    pass


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _MissingError from None
        raise


def _attribute(module: Any, text: str, attribute: str) -> Any:
    try:
        return reduce(getattr, attribute.split("."), module)
    except AttributeError:
        raise UsageError(f"--app {text}: the module has no {attribute!r}") from None


def _takes_nothing(function: Callable[..., Any]) -> bool:
    return not inspect.signature(function).parameters


def _a(thing: object) -> str:
    return f"a {type(thing).__name__}"

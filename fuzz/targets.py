"""The targets, each a module of this package with a function `check`, and what a check is written with."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

TARGETS: Final = {
    "urlencoded": 1024,
    "json_body": 1024,
    "multipart": 1536,
    "headers": 1024,
    "paths": 256,
    "spellings": 256,
    "patterns": 256,
    "reply": 2048,
    "http_answer": 1024,
}
"""Each with the length of the longest input worth trying: short ones are tried more often."""

CORPUS: Final = Path(__file__).parent / "corpus"


def load(target: str) -> Callable[[bytes], None]:
    """The check of a target. Imported late, so that the fuzzer can instrument what it imports."""
    check: Callable[[bytes], None] = importlib.import_module(f"fuzz.{target}").check
    return check


def require(promise: bool, *what: object) -> None:
    """An assertion that `python -O` does not take away."""
    if not promise:
        raise AssertionError(*what)

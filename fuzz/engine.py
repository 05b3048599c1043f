"""One target in libFuzzer, which the runner starts in a process of its own: `python -m fuzz.engine target [option …]`.

The only file that needs atheris. Only `geetest_asgi` is instrumented: it is its branches that new inputs should find.
"""

import logging
import shlex
import sys

import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

from .targets import load


def main() -> None:
    """Fuzz the target that the first argument names, with libFuzzer's arguments behind it. Does not return."""
    logging.disable()  # the multipart parser warns of each bad byte
    target, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["geetest_asgi"]):
        check = load(target)
    # To merge, libFuzzer starts itself again: what stands here goes to a shell.
    command = shlex.join([sys.executable, "-m", "fuzz.engine", target])
    atheris.Setup([command, *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

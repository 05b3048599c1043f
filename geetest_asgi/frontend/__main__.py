"""`python -m geetest_asgi.frontend`: the script for a folder of static files, and the tags that load it."""

import argparse
import json
import sys
from pathlib import Path

from . import MODULE, SCRIPT, TYPES, VERSION, integrity


def tags(at: str) -> str:
    """HTML that loads the script from the URL `at`, with a version in the address and Subresource Integrity."""
    script, module = (f"{at.rstrip('/')}/{file.name}?v={VERSION}" for file in (SCRIPT, MODULE))
    imports = {"imports": {"geetest-form": module}, "integrity": {module: integrity(MODULE)}}
    return (
        f'<script src="{script}" integrity="{integrity(SCRIPT)}" crossorigin="anonymous" defer></script>\n'
        '<!-- or, for `import {attach} from "geetest-form"` in a module: -->\n'
        f'<script type="importmap">{json.dumps(imports)}</script>\n'
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the script, write the files, or print the tags."""
    parser = argparse.ArgumentParser(prog="python -m geetest_asgi.frontend", description=__doc__)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--to", metavar="FOLDER", help="write the script, the module and its types into a folder")
    chosen.add_argument("--tags", metavar="URL", help="print the tags that load them from there, such as /geetest")
    given = parser.parse_args(arguments)
    if given.to:
        for file in (SCRIPT, MODULE, TYPES):
            (Path(given.to) / file.name).write_bytes(file.read_bytes())
    elif given.tags:
        sys.stdout.write(tags(given.tags))
    else:
        sys.stdout.buffer.write(SCRIPT.read_bytes())


if __name__ == "__main__":
    main()

"""`python -m geetest_asgi.frontend > static/geetest-form.js`: the script, for a folder of static files."""

import sys

from . import SCRIPT

sys.stdout.buffer.write(SCRIPT.read_bytes())

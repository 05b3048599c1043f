"""The playground: a site that is guarded, a GeeTest stand-in, and a story that shows what gets through.

    site.py      the guarded site
    page.html    the same to try in a browser
    story.py     the requests, what each should bring, what it brought
    table.py     the rows on the screen
    command.py   `python -m geetest_asgi demo`

It needs no account, no internet and no settings.
"""

from .command import run_demo, run_live

__all__ = ["run_demo", "run_live"]

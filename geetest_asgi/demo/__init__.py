"""The playground: a site that is guarded, a GeeTest stand-in, and a story that shows what gets through.

    site.py      the guarded site, and the switches of its page
    guard.py     its guard, and the Python that makes one like it
    visits.py    what came of each request
    rows.py      the same as the page is told of it, with a curl command
    pages.py     serves page/, the same to try in a browser
    story.py     the requests, what each should bring, what it brought
    table.py     the rows on the screen
    command.py   `python -m geetest_asgi demo`

It needs no account, no internet and no settings.
"""

from .command import run_demo, run_live

__all__ = ["run_demo", "run_live"]

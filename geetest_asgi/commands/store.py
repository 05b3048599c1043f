"""Do the stores work? Each verb is called once, with a key of its own."""

import secrets
import time
from typing import Any

import anyio

from ..stores import FailSafe, MemoryStore, Store
from ..stores.failsafe import StoreFailsError
from .app_routes import Site
from .report import Report, shown


def write_stores(report: Report, site: Site) -> None:
    """A line for each store that guards of the site use."""
    report.head("Store of spent tokens")
    stores = {id(store): store for store in (guard.middleware.guard.store for guard in site.guards)}
    for store in stores.values():
        if isinstance(store, FailSafe):
            report.say(*anyio.run(_try, store))
        else:
            kind = "MemoryStore" if isinstance(store, MemoryStore) else type(store).__name__
            report.say("note", f"{kind}: each process remembers its own tokens; with several workers give store=")


async def _try(store: FailSafe) -> tuple[str, str]:
    begin = time.perf_counter()
    try:
        right = await store.ask_store(_use, "check")
    except StoreFailsError as error:
        return "FAIL", shown(str(error))
    took = f"{(time.perf_counter() - begin) * 1000:.0f} ms for six calls"
    return ("ok", f"{store.name}  {took}") if right else ("FAIL", f"{store.name} forgets what it was told")


async def _use(store: Store) -> Any:
    """Return whether each verb works."""
    key = f"check:{secrets.token_hex(8)}"
    added = [await store.add(key, "value", 10), await store.add(key, "other", 10)]
    popped = await store.pop(key)
    await store.delete(key)
    return (*added, popped, await store.count(key + "n", 10), await store.count(key + "n", 10)) == (
        *(True, False),
        "value",
        *(1, 2),
    )

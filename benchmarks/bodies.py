"""Request bodies from 500 bytes to 1 MB: what the guard costs to let in and to refuse, and how fast it reads.

In process, without a server and without a call to GeeTest; `uploads.py` has the bodies beyond.
"""

import asyncio
import functools
import itertools
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from geetest_asgi._core.fields.gatherer import Gatherer, from_headers
from geetest_asgi._core.fields.scanners import scanner_for
from geetest_asgi._core.fields.spelling import spelling
from geetest_asgi._core.model import CaptchaFields

from .measure import Goal, Work, alternate, goals, table
from .visitors import KINDS, InstantGeeTest, guard_with, keep_posting, post, reader, token, whole

MIB: Final = 1024 * 1024
FORM: Final = {"username": "ada", "password": "p" * 40}
TIMES, ROUNDS = 200, 11
_NUMBERS: Final = itertools.count(1000)


# Forms: a login of 500 bytes, let in and refused


async def starlette_form(scope: Scope, receive: Receive, send: Send) -> None:
    """What a middleware by hand begins with: the whole form, or the whole JSON, by Starlette."""
    request = Request(scope, receive)
    if request.headers["content-type"] == "application/json":
        await request.json()
    else:
        async with request.form():
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})


def _fresh(kind: str, fill: int = 0, *, last: bool = False) -> Callable[[], list[Message]]:
    """Bodies with a token that was never sent before, by filling in its numbers; `fill` bytes of other fields."""
    encode = KINDS[kind][1]
    others = FORM | {f"other{n}": "o" * 980 for n in range(fill // 1000)}
    fields = token(0) | {"lot_number": "%032x", "pass_token": "%064x"}
    body = encode(others | fields if last else fields | others).replace(b"%25", b"%")

    def bodies() -> list[Message]:
        number = next(_NUMBERS)
        return whole(body % (number, number))

    return bodies


def _junk(kind: str) -> dict[str, Callable[[], list[Message]]]:
    encode = KINDS[kind][1]
    kinds = {"no fields": FORM | {"about": "o" * 300}, "malformed": FORM | token(1) | {"gen_time": "abc"}}
    made = {name: encode(fields) for name, fields in {**kinds, "replayed": FORM | token(2)}.items()}
    return {name: functools.partial(whole, body) for name, body in made.items()}


def _form_rivals(kind: str) -> dict[str, Work]:
    media_type = KINDS[kind][0]
    guard = guard_with(InstantGeeTest())
    asyncio.run(post(guard, media_type, _junk(kind)["replayed"]()))  # the first time it is let in
    rivals = {name: keep_posting(guard, media_type, bodies, status=403) for name, bodies in _junk(kind).items()}
    return rivals | {
        "let in": keep_posting(guard, media_type, _fresh(kind)),
        "app": keep_posting(reader, media_type, _fresh(kind)),
        "form()": keep_posting(starlette_form, media_type, _junk(kind)["malformed"]),
    }


def forms() -> str:
    """The table of forms and its goals."""
    took = {kind: alternate(_form_rivals(kind), times=TIMES, rounds=ROUNDS) for kind in KINDS}
    rows = {kind: {name: each / 1000 for name, each in rivals.items()} for kind, rivals in took.items()}
    for each in rows.values():
        each["our share"] = each["let in"] - each["app"]
    names = ["form()", "no fields", "malformed", "replayed", "our share"]
    head = ["a form of 500 B, µs", "Starlette's form() or json()", *(f"refused: {name}" for name in names[1:4])]
    cells = [[kind, *(f"{rows[kind][name]:.0f}" for name in names)] for kind in KINDS]
    form = rows["urlencoded"]
    worst = max(names[1:4], key=form.__getitem__)
    met = goals(
        Goal(f"refusing a junk form ({worst})", form[worst], 60, "µs"),
        Goal("our share of a protected login", form["our share"], 40, "µs"),
    )
    return f"{table([*head, 'let in: our share'], cells)}\n\n{met}"


# Longer bodies, and the scanners alone

SIZES: Final = {"10 KB": 9_000, "100 KB": 95_000, "1 MB": 900_000}


def _longer(kind: str, fill: int) -> list[str]:
    media_type = KINDS[kind][0]
    guard, first, last = guard_with(InstantGeeTest()), _fresh(kind, fill), _fresh(kind, fill, last=True)
    works = {
        "first": keep_posting(guard, media_type, first),
        "last": keep_posting(guard, media_type, last),
        "app": keep_posting(reader, media_type, first),
        "form()": keep_posting(starlette_form, media_type, first),
    }
    took = alternate(works, times=max(2, 1_000_000 // fill), rounds=7)
    return [f"{(took[name] - took['app']) / 1000:,.0f}" for name in ("first", "last", "form()")]


def longer() -> str:
    """What the guard adds to an app that reads bodies of these sizes, and what parsing them whole would."""
    cells = [[f"{kind}, {size}", *_longer(kind, fill)] for kind in KINDS for size, fill in SIZES.items()]
    return table(["µs beside an app that reads", "fields first", "fields last", "form() or json()"], cells)


def _scan(kind: str) -> Work:
    media_type, encode = KINDS[kind]
    search = _searched(media_type, encode({f"other{n}": "o" * (MIB // 990) for n in range(950)} | token(1)))
    assert isinstance(search(), CaptchaFields)
    return _repeat(search)


def _copy(times: int) -> None:
    for _ in range(times):
        bytearray(_MEBIBYTE)


_MEBIBYTE: Final = b"o" * MIB


def scanning() -> str:
    """Reading fields of 1 KB in search of the four, beside copying what is read."""
    took = alternate({kind: _scan(kind) for kind in KINDS} | {"copying": _copy}, times=5, rounds=9)
    cells = [[name, f"{each / 1e6:.2f}", f"{each / took['copying']:,.0f}"] for name, each in took.items()]
    return table(["1 MiB of fields of 1 KB", "ms", "× copying"], cells)


# Beside what a framework pays for the same input: hard JSON, tiny fields, many headers


def _searched(media_type: str, body: bytes) -> Callable[[], object]:
    def search() -> object:
        gatherer = Gatherer(_FLAT, max_field=8192)
        scanner = scanner_for([media_type.encode()], [], gatherer)
        assert scanner is not None
        for start in range(0, len(body), 16 * 1024):
            scanner.feed(body[start : start + 16 * 1024])
        scanner.end()
        return gatherer.conclude(scanner.broken)

    return search


def _filled(unit: str, first: str = "", last: str = "") -> bytes:
    """1 MiB of one thing."""
    return f"{first}{(unit * (MIB // len(unit))).rstrip(',')}{last}".encode()


def _json(body: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
    return _searched("application/json", body), lambda: json.loads(body)


def _form(body: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
    return _searched("application/x-www-form-urlencoded", body), lambda: parse_qsl(body.decode("latin-1"))


def _headers(headers: list[tuple[bytes, bytes]]) -> tuple[Callable[[], object], Callable[[], object]]:
    return lambda: from_headers(headers, Gatherer(_FLAT, max_field=8192)), lambda: Headers(raw=headers).items()


def _cookies(headers: list[tuple[bytes, bytes]]) -> tuple[Callable[[], object], Callable[[], object]]:
    scope = {"type": "http", "headers": headers}
    return lambda: from_headers(headers, Gatherer(_FLAT, max_field=8192)), lambda: Request(scope).cookies


_FLAT: Final = spelling(None)
_RECORDS: Final = json.dumps(
    {"items": [{"id": n, "name": f"n{n}", "tags": ["a", "b"]} for n in range(19_000)]}
).encode()
_MANY: Final = [(b"x-header-%d" % number, b"value") for number in range(1000)]
_COOKIES: Final = [(b"cookie", b"; ".join(b"name%d=value" % number for number in range(1000)))]
BESIDE: Final = {  # the input, what the framework does, our bound beside it, and both
    "JSON, records": ("json.loads", 2, _json(_RECORDS)),
    "JSON, long texts": ("json.loads", 2, _json(json.dumps({f"other{n}": "o" * 1000 for n in range(1030)}).encode())),
    "JSON, a list of lists": ("json.loads", 4, _json(_filled("[],", '{"a":[', "]}"))),
    "JSON, a list of numbers": ("json.loads", 4, _json(_filled("1.5,", '{"a":[', "]}"))),
    "JSON, tiny members": ("json.loads", 4, _json(_filled('"a":1,', "{", "}"))),
    "JSON, unsolved fields": ("json.loads", 4, _json(_filled('"lot_number":"",', "{", "}"))),
    "JSON, escaped names": ("json.loads", 4, _json(_filled('"\\u0061":1,', "{", "}"))),
    "JSON, deep members": ("json.loads", 4, _json(_filled('"":[[[[[[]]]]]],', "{", "}"))),
    "form, tiny fields": ("parse_qsl", 1, _form(_filled("a=b&"))),
    "form, no fields": ("parse_qsl", 1, _form(_filled("&"))),
    "form, escaped names": ("parse_qsl", 1, _form(_filled("%61=b&"))),
    "form, one name again and again": ("parse_qsl", 1, _form(_filled("lot_number=x&"))),
    "1,000 headers": ("Headers.items()", 2, _headers(_MANY)),
    "1,000 cookies": ("Request.cookies", 2, _cookies(_COOKIES)),
}


def _repeat(call: Callable[[], object]) -> Work:
    def work(times: int) -> None:
        for _ in range(times):
            call()

    return work


def beside() -> str:
    """What the search costs beside what a framework pays for reading the same."""
    cells, met = [], []
    for name, (rival, bound, calls) in BESIDE.items():
        ours, theirs = alternate(dict(zip("ab", map(_repeat, calls), strict=True)), times=3, rounds=7).values()
        cells.append([name, f"{ours / 1e6:.2f}", f"{theirs / 1e6:.2f}", rival])
        met.append(Goal(f"{name}: beside {rival}", ours / theirs, bound, "×"))
    return f"{table(['1 MiB, ms', 'the search', 'the rival', 'which is'], cells)}\n\n{goals(*met)}"


def main() -> str:
    """The tables."""
    return "\n\n".join([forms(), longer(), scanning(), beside()])


if __name__ == "__main__":
    print(main())

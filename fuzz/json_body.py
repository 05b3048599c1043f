"""JSON bodies against `json.loads`, which reads the whole body at once.

Compared is what is JSON in UTF-8; what is not has no fields.
"""

from collections.abc import Iterator

from geetest_asgi._core.fields.gatherer import fields_from_mapping
from geetest_asgi._core.model import Outcome

from . import laws, oracle

CONTENT_TYPE = b"application/json"


def check(data: bytes) -> None:
    """The laws hold, and the fields are those of the object that `json.loads` reads."""
    case = laws.read(data)
    answer = laws.hold(case, CONTENT_TYPE)
    try:
        document = oracle.loads(case.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        if answer is not None and case.body:
            oracle.agree(answer, Outcome.MALFORMED)
        return
    if answer is not None:
        oracle.agree(answer, oracle.expected(_fields(document, case.spelling.container or (), case), case))
    _check_handler(document)


def _fields(value: object, path: tuple[str, ...], case: laws.Case) -> Iterator[oracle.Found]:
    """The fields in an object, or in the container that `path` leads to."""
    for name, inner in value if isinstance(value, oracle.Pairs) else ():
        if not path:
            if name in case.spelling.names:
                yield case.spelling.names[name], inner
        elif name == path[0] and isinstance(inner, oracle.Pairs):
            yield from _fields(inner, path[1:], case)
        elif path == (name,):
            yield oracle.CONTAINER, inner


def _check_handler(document: object) -> None:
    """A handler's own parsed body, given to the client, raises nothing either, and says the same of an object."""
    if not isinstance(document, oracle.Pairs):
        return
    values = dict(document)
    answer = fields_from_mapping(values, 8192)
    if len(values) == len(document):
        case = laws.Case(*laws.SPELLINGS[0], b"", b"")
        oracle.agree(answer, oracle.expected(_fields(document, (), case), case))

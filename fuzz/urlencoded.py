"""`application/x-www-form-urlencoded` against `urllib.parse.parse_qsl`, which reads the whole body at once.

One difference is meant: a pair too long for any field is not kept whole, and so not compared.
"""

from urllib.parse import parse_qsl

from . import laws, oracle

CONTENT_TYPE = b"application/x-www-form-urlencoded"


def check(data: bytes) -> None:
    """The laws hold, and the fields are those of `parse_qsl`, the first of each name."""
    case = laws.read(data)
    answer = laws.hold(case, CONTENT_TYPE)
    longest = max(map(len, case.body.split(b"&")))
    if answer is not None and longest <= 3 * case.max_field:
        pairs = parse_qsl(case.body.decode("latin-1"), keep_blank_values=True)
        oracle.agree(answer, oracle.expected(oracle.flat(pairs, case.spelling), case))

"""Make certificates for a simulator that serves https. Needs trustme: the extra `tls`."""

import ssl
from pathlib import Path
from typing import Final

HOSTS: Final = (
    *("localhost", "127.0.0.1", "::1"),
    *("gcaptcha4.geetest.com", "gcaptcha4.geevisit.com", "gcaptcha4.gsensebot.com"),
    *("static.geetest.com", "static.geevisit.com"),
    *("cap-global.geelabapi.com", "cap-eu.geelabapi.com", "cap-na.geelabapi.com", "static.geelabapi.com"),
    *("captcha.alicaptcha.com", "captchabak.alicaptcha.com", "static.alicaptcha.com"),
)
"""The names that a certificate is good for: this machine's, and for an entry in the hosts file those of GeeTest, Geelab
and Alibaba Cloud that programs and pages have built in (2026-11)."""

_HEAD: Final = b"The certificate authority of a geetest-asgi simulator, made anew at each start. For tests only.\n"


def server_context(authority: Path, host: str = "localhost") -> ssl.SSLContext:
    """Return a context that serves https for `HOSTS` and `host`. `authority`: the file that clients must trust.

    The file is written. It replaces only an older authority file; for any other, raises FileExistsError. The
    authority's key is not kept, so nobody can sign another certificate with it. Raises ImportError without trustme.
    """
    try:
        import trustme
    except ModuleNotFoundError as missing:
        raise ImportError("TLS needs trustme: pip install 'geetest-asgi[tls]'") from missing
    if authority.exists() and not authority.read_bytes().startswith(_HEAD):
        raise FileExistsError(f"{authority} is there and is no certificate of a simulator: name another file")
    made = trustme.CA(organization_name="geetest-asgi simulator")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert(*dict.fromkeys((*HOSTS, host))).configure_cert(context)
    authority.write_bytes(_HEAD + made.cert_pem.bytes())
    return context

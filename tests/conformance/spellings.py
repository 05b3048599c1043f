"""Ways to spell a path, as bytes of a request target: what a person who wants past the guard would try.

Most lead nowhere. The tests ask the bare app which of them reach its handler; no list of what should is kept here.
"""

from collections.abc import Iterator

CONTROLS = "%00 %01 %08 %09 %0a %0b %0c %0d %0d%0a %0a%0a %1c %1f %20 %7f %c2%85 %c2%a0 %e2%80%a8 %e2%80%a9 %ef%bb%bf"
NOT_UTF_8 = "%ff %c0%af %c1%ac %ed%a0%80 %f8%88%80%80%80"
ODD = (
    "; ;x ;x=1 ;/ : @ , + ! $ & ' ( ) * ~ . .. ... .json | ^ ` { } [ ] < > \" \\ %5c %3b %2e %25 %23 %3f %3fx %26 %252f"
)
"""Characters that some parser of URLs takes for the end of a path, or for nothing."""

SCHEMES = (
    "http://h https://h HTTP://h ftp://h ws://h x://h a+b-c.1://h 1://h http://h:80 http://u:p@h http://[::1] http://"
)
UNSLASHED = (
    "http: x: http:/ http:// : :/ :// // /// http:///  http://h?/ http://h#/ http://h;/ \\ \\\\ /\\ . ./ .. ../ ; ? "
    "?x= # *"
)


def spellings(path: str) -> Iterator[str]:
    """Targets that might be taken for `path`, which is one as `/users/a/reset`."""
    first, rest = path[1], path[2:]
    name = path[1:]
    yield path
    yield from _escaped(path)
    yield from _slashes(path)
    yield from _dots(path)
    yield from (f"{path}{odd}" for odd in f"{CONTROLS} {NOT_UTF_8} {ODD}".split())
    yield from (f"/{odd}{name}" for odd in f"{CONTROLS} {NOT_UTF_8} {ODD}".split())
    yield from (f"{odd}{path}" for odd in f"{CONTROLS} {ODD}".split())
    yield from (f"/{first}{odd}{rest}" for odd in f"{CONTROLS} {NOT_UTF_8} %c2%ad".split())
    yield from (f"/x{odd}{path}" for odd in ("", "?", "%3f", "#", "%23", ";", "%00", "%0a", "\\", ":"))
    yield from (path.upper(), path.title(), path.swapcase(), f"/{first.upper()}{rest}")
    yield from (path.replace("s", "%c5%bf"), path.replace("i", "%c4%b1"), path.replace("i", "%c4%b0"))
    yield from (f"/%ef%bd{ord(first) - 0x60 + 0x80:02x}"[:10] + rest, path.replace("/", "%ef%bc%8f"))
    yield from (f"{path}{query}" for query in "? ?x ?? ?/../x # #x ?#".split())
    yield f"/?{path}"
    yield from (f"{prefix}{path}" for prefix in SCHEMES.split())
    yield from (f"{prefix}{name}" for prefix in UNSLASHED.split())
    yield from _absolute_with_tricks(path)
    yield from _long(path)


def _escaped(path: str) -> Iterator[str]:
    everything = "".join(f"%{ord(letter):02x}" for letter in path[1:])
    yield from (f"/{everything}", f"/{everything.upper()}", f"%2f{everything}", path.replace("/", "%2f"))
    yield from ("/" + path[1:].replace("/", "%2F"), path.replace("/", "%252f"), path.replace("/", "%5c"))
    for at in range(1, len(path)):
        yield f"{path[:at]}%{ord(path[at]):02X}{path[at + 1 :]}"
    yield from (f"/%25{ord(path[1]):02x}{path[2:]}", f"/%u00{ord(path[1]):02x}{path[2:]}", f"/%{path[1:]}")


def _slashes(path: str) -> Iterator[str]:
    name = path[1:]
    yield from (name, f"/{path}", f"//{path}", f"{path}/", f"{path}//", f"/{path}/", f"//{path}//")
    yield from (f"/%2f{name}", f"%2f{path}", f"{path}%2f", f"{path}/%2f", f"/%2F%2F{name}", f"{path}%2F%2F")
    yield from (path.replace("/", "//"), path.replace("/", "///"), path.replace("/", "/%2f"), path.replace("/", "\\"))
    yield from (f"{path}/x", f"{path}x", f"{path}/%20", f"{path}%20/", f"/%20{path}", f"{path}/%00", f"{path}/%0a")


def _dots(path: str) -> Iterator[str]:
    name = path[1:]
    yield from (
        f"{before}{path}" for before in "/. /x/.. /.. /..; /;x /x/..;y /x;/.. /... /%2e /x/%2e%2e /.%0a".split()
    )
    yield from (f"{path}{behind}" for behind in ("/.", "/./", "/x/..", f"/..{path}"))
    yield from (f"/./{name}/.", f"/x%2f..{path}", f"/x/../{name}%0a", f"//..//{name}")


def _absolute_with_tricks(path: str) -> Iterator[str]:
    """What happens to a target that does not begin with a slash is up to each framework's parser of URLs."""
    for space in "%20 %00 %0a %09 %0d %1f %7f %c2%85 %c2%a0".split():
        yield from (f"{space}http://h{path}", f"http:{space}//h{path}", f"ht{space}tp://h{path}")
        yield from (f"http://{space}{path}", f"http:/{space}/h{path}", f"{space}x:{path}", f"{space}{path[1:]}")
        yield f"http://h{path}{space}"
    for tail in "%3fx %23x ?x #x %3b ;x ;x=1 / // %0a %2f /. /; %3f%23 %23%3f".split():
        yield from (f"http://h{path}{tail}", f"x:{path}{tail}", f"{path[1:]}{tail}", f"http:{path[1:]}{tail}")
    for host in "%2f %3f %23 %5c @ : x%2fy x%3fy x%23y %40 %0a [ ] [x] %c3%a9".split():
        yield from (f"http://{host}{path}", f"x://{host}/{path}")
    yield from (f"http:{path}?{path}", f"http://h/{path}", f"http://h//{path}", f"http://h/x/..{path}")
    yield from (f"http://h/.{path}", f"http://h{path.upper()}", f"http://h/%6{path[1:]}", f"http://h/http://h{path}")
    yield from (f"http:http:{path}", f"http://h/%2f{path[1:]}", f"http://h%2f{path[1:]}", f"http:%2f%2fh{path}")
    yield f"http%3a//h{path}"


def _long(path: str) -> Iterator[str]:
    """Longer than any path that the guard takes apart, and just not longer."""
    for times in (1000, 2100):
        yield from ("/" * times + path, path + "/" * times, "/." * times + path, path + "%0a" * times)
        yield from (path + ";" * times, path + "%20" * times, path + "?" * times)


def names() -> list[str]:
    """Segments for a placeholder, which takes nearly anything."""
    return [
        *(f"a{odd}" for odd in f"{CONTROLS} {NOT_UTF_8} {ODD} %2f %2f%2f %2fb %c3%a9 %f0%9f%98%80".split()),
        *("a", "", ".", "..", "%2e", "%2e%2e", "%2f", "%00", "%0a", "%20", "a%0ab", "a%2fb", "a%2f..%2fb", "..%2fb"),
        *("*", "{name}", "%7bname%7d", "reset", "users", "a;b", ";", "%3b", "%252f", "a:b", "a@b", "A", "-", "_", "~"),
        *("a" * 2000, "a" * 2100, "%0a" * 700, "a%2f" * 100, "%2f" * 100 + "b"),
    ]

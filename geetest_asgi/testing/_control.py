"""The simulator's own pages, for curl and for tests in other languages: pure, parameters in, values out.

A wrong parameter is a ValueError that says what would be right; the simulator answers it with HTTP 400.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from . import _outages as _faults
from ._magic import table
from ._outages import Fault

_YES_NO: Final[Mapping[str, bool]] = MappingProxyType(
    {"1": True, "true": True, "yes": True, "on": True, "": False, "0": False, "false": False, "no": False, "off": False}
)

FLAGS: Final = ("expired", "used", "forged", "offline")
"""The switches of `GET /simulator/token`."""

_HELP: Final = """\
A GeeTest CAPTCHA v4 service for tests. It guards nothing: whoever reaches it can mint tokens.

GeeTest's own address, GET or POST, query and form:

  curl {base}/validate?captcha_id={captcha_id} \\
       -d lot_number=… -d captcha_output=… -d pass_token=… -d gen_time=… -d sign_token=…

A token, good or bad (expired=1, used=1, forged=1, offline=1, captcha_id=…):

  curl {base}/simulator/token
  curl '{base}/simulator/token?expired=1'

An outage, until mode=up (down, hanging, garbled, slow&seconds=2, error&code=-50005; offline: browsers too):

  curl -X POST '{base}/simulator/fault?mode=down'
  curl -X POST '{base}/simulator/fault?mode=up'

What was asked so far, oldest first:

  curl {base}/simulator/calls

The page of a site, with our own stand-in for GeeTest's browser script:

  <script src="{base}/v4/gt4.js"></script>
  <script>
    initGeetest4({{captchaId: "{captcha_id}", product: "float"}}, (captcha) => {{
      captcha.appendTo("#captcha").onSuccess(() => console.log(captcha.getValidate()));
    }});
  </script>

GeeTest's own script works too: apiServers and staticServers are ["{place}"], protocol is "{scheme}://".

Captcha ids that decide what happens, with any key (not with pairs of your own):

{magic}

A page of any origin may call all of this.
"""


def help_text(base: str, captcha_id: str) -> str:
    """The page at `/`."""
    scheme, _, place = base.partition("://")
    return _HELP.format(base=base, scheme=scheme, place=place, captcha_id=captcha_id, magic=table())


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """A switch such as `expired=1`; off if it is absent."""
    value = parameters.get(name, "").lower()
    if value not in _YES_NO:
        raise ValueError(f"{name} is {value!r}: 1 or 0 is wanted")
    return _YES_NO[value]


def fault_from(parameters: Mapping[str, str]) -> Fault:
    """The fault that `POST /simulator/fault` asks for."""
    mode = parameters.get("mode", "")
    if mode not in _MODES:
        raise ValueError(f"mode is {mode!r}: one of {', '.join(_MODES)} is wanted")
    return _MODES[mode](parameters)


def _slow(parameters: Mapping[str, str]) -> Fault:
    given = parameters.get("seconds", "")
    try:
        seconds = float(given)
    except ValueError:
        raise ValueError(f"seconds is {given!r}: a number such as 2 or 0.5 is wanted") from None
    return _faults.slow(seconds)


def _error(parameters: Mapping[str, str]) -> Fault:
    return _faults.error(parameters.get("code", ""), parameters.get("msg"))


_MODES: Final[Mapping[str, Callable[[Mapping[str, str]], Fault]]] = MappingProxyType(
    {
        "up": lambda _: _faults.UP,
        "down": lambda _: _faults.DOWN,
        "hanging": lambda _: _faults.HANGING,
        "garbled": lambda _: _faults.GARBLED,
        "slow": _slow,
        "error": _error,
        "offline": lambda _: _faults.OFFLINE,
    }
)

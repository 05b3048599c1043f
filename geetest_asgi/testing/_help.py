"""The text at the simulator's `/`."""

from typing import Final

from ._magic import table

_HELP: Final = """\
A GeeTest CAPTCHA v4 service for tests. It guards nothing: whoever reaches it can mint tokens.

GeeTest's own address, GET or POST, query and form:

  curl {base}/validate?captcha_id={captcha_id} \\
       -d lot_number=… -d captcha_output=… -d pass_token=… -d gen_time=… -d sign_token=…

A token, good or bad (expired=1, used=1, forged=1, offline=1, captcha_id=…, format=form):

  curl {base}/simulator/token
  curl '{base}/simulator/token?expired=1'

An outage, until mode=up (down, hanging, garbled, slow&seconds=2, error&code=-50005; offline: browsers too):

  curl -X POST '{base}/simulator/fault?mode=down'
  curl -X POST '{base}/simulator/fault?mode=up'

Any answer (status, body, content_type, headers), as JSON, which all orders may be:

  curl {base}/simulator/fault -H 'Content-Type: application/json' \\
       -d '{{"mode": "answers", "status": 404, "body": {{"result": "success"}}}}'

What was asked so far, oldest first; and as new: no fault, no calls, no used tokens:

  curl {base}/simulator/calls
  curl -X POST {base}/simulator/reset

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

A page of any origin may load the scripts and call /load and /verify. All else is for programs, and for pages of the
simulator's own origin.
"""


def help_text(base: str, captcha_id: str) -> str:
    """The page at `/`. `base`: the address that the simulator is reached at."""
    scheme, _, place = base.partition("://")
    return _HELP.format(base=base, scheme=scheme, place=place, captcha_id=captcha_id, magic=table())

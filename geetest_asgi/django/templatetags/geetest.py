"""`{% load geetest %}`: the captcha in Django's templates.

{% geetest_scripts %}                  in the head: GeeTest's script and geetest-form.js
<form method="post" {% geetest %}>     the attributes that put the captcha on this form
{% geetest_errors %}                   why `back_to_form` has sent the visitor back, where no CaptchaErrorsMixin says so
"""

import os
from typing import Any, Final

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..._core.errors import ConfigError
from ..forms import captcha_error

register: Final = template.Library()
GT4: Final = "https://static.geetest.com/v4/gt4.js"


def geetest_scripts() -> SafeString:
    """The scripts that a form with `{% geetest %}` needs.

    GEETEST_GT4 in the environment names another place of gt4.js, such as the simulator's. Raises ConfigError where that
    is no address.
    """
    gt4 = os.environ.get("GEETEST_GT4") or GT4
    if not gt4.startswith(("https://", "http://", "/")):
        raise ConfigError(f"GEETEST_GT4={gt4!r}: write an address, such as http://127.0.0.1:8077/v4/gt4.js")
    ours = static("geetest/geetest-form.js")
    return format_html('<script src="{}" defer></script>\n<script src="{}" defer></script>', gt4, ours)


def geetest(product: str = "bind", **options: object) -> SafeString:
    """`data-geetest-…` attributes of a form. `options` are those of docs/front-ends.md: `{% geetest language="eng" %}`.

    The id is that of GEETEST or of GEETEST_CAPTCHA_ID; `captcha_id=` gives another. Raises ConfigError without one.
    """
    captcha_id = options.pop("captcha_id", None) or _captcha_id()
    attributes = {"captcha_id": captcha_id, "product": product, **options}
    return format_html_join(
        " ", 'data-geetest-{}="{}"', ((name.replace("_", "-"), value) for name, value in attributes.items())
    )


def geetest_errors(context: Any) -> SafeString:
    """Why the last attempt was refused, in Django's language, if it was. Needs `request` in the context."""
    error = captcha_error(context["request"])
    return format_html('<ul class="errorlist nonfield"><li>{}</li></ul>', error) if error else SafeString()


def _captcha_id() -> str:
    found = settings.GEETEST.get("captcha_id") or os.environ.get("GEETEST_CAPTCHA_ID")
    if not found:
        raise ConfigError("captcha_id is missing: set GEETEST_CAPTCHA_ID, or write {% geetest captcha_id='…' %}")
    return str(found)


register.simple_tag(geetest_scripts)
register.simple_tag(geetest)
register.simple_tag(geetest_errors, takes_context=True)

"""Why a form was refused, for the page that `back_to_form` leads back to.

    class Login(CaptchaErrorsMixin, LoginView):
        template_name = "login.html"

Templates of other views have `{% geetest_errors %}`.
"""

from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import get_language

from .._core.model import Outcome
from ..denials import LANGUAGES
from . import OUTCOME

if TYPE_CHECKING:
    from django.http import HttpRequest

_FULL_STOP: Final = {"zh": "。"}


def captcha_error(request: "HttpRequest") -> str:
    """The sentences for the outcome in `?geetest=`, in Django's language; "" without one.

    Only for GET, by which a browser follows `back_to_form`. A POST that reaches the view has passed the guard, although
    its address may still name the outcome of an earlier attempt.
    """
    if request.method != "GET":
        return ""
    try:
        outcome = Outcome(request.GET.get(OUTCOME, ""))
    except ValueError:
        return ""
    primary = (get_language() or "en").partition("-")[0]
    title, detail = LANGUAGES.get(primary, LANGUAGES["en"]).words.get(outcome, ("", ""))
    return f"{title}{_FULL_STOP.get(primary, '. ')}{detail}" if title else ""


class CaptchaErrorsMixin:
    """Adds the reason of a refusal to the form's non-field errors. For views with `get_form`."""

    def get_form(self, *args: Any, **kwargs: Any) -> Any:
        """The form of the view."""
        form = super().get_form(*args, **kwargs)  # type: ignore[misc]
        if error := captcha_error(self.request):  # type: ignore[attr-defined]
            # Not by add_error, which needs a form with data (Django 5.2, 2025), and a form got by GET has none.
            errors = form.error_class(error_class="nonfield", renderer=form.renderer)
            form.errors.setdefault(NON_FIELD_ERRORS, errors).append(error)
        return form

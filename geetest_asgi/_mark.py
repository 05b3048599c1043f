"""What a route says of itself where its framework's users look for it: it wants a captcha, and on which terms."""

from dataclasses import replace
from typing import Any

from ._core.errors import ConfigError
from ._core.rules import Rule


class Mark:
    """The settings of `Rule`, all of them optional, for routes whose paths are not known yet.

    Raises ConfigError for a setting that `Rule` does not have.
    """

    def __init__(self, **settings: Any) -> None:
        try:
            self._rule = Rule("/", **settings)
        except TypeError as error:
            kind = type(self).__name__
            raise ConfigError(f"{kind}(): {error}; the settings are those of Rule, by name") from None

    def rule(self, pattern: str) -> Rule:
        """What protects one route that is marked with this."""
        return replace(self._rule, pattern=pattern)

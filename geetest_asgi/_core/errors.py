"""What the package raises at a developer, never at a visitor.

    ValueError
      └─ ConfigError    a setting is wrong; raised while the app is built
    GeeTestError        the root of all below and of ConfigError
      └─ ConfigError

Nothing a visitor sends raises: a bad request is a value (`Evidence`), not an exception.
"""


class GeeTestError(Exception):
    """The root of this package's exceptions, for an `except` that means all of them."""


class ConfigError(GeeTestError, ValueError):
    """A setting cannot mean anything safe. The message quotes the value and says what would be right.

    Raised while the app is built, so that a mistake stops a deployment and not a visitor. A key is never quoted.
    """

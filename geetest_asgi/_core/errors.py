"""Exceptions of the package, for developers. No request raises one: a bad request is a value (`Evidence`)."""


class GeeTestError(Exception):
    """Base class of this package's exceptions."""


class ConfigError(GeeTestError, ValueError):
    """A setting is wrong. The message quotes the value, except a key, and says what would be right.

    Raised while the app is built, so that a mistake stops a deployment and not a visitor.
    """

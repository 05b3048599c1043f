"""The error that ends a command before it prints anything."""


class UsageError(Exception):
    """The command line or the configuration is wrong. The text says what to do; the exit status is 2."""

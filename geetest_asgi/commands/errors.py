"""What ends a command before it has said anything."""


class UsageError(Exception):
    """The command line or the configuration cannot be meant. The text says what to do; the exit status is 2."""

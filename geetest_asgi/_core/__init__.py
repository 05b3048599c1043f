"""Pure functions and values, without I/O.

Nothing here is asynchronous, reads a clock, the environment or a file, logs, or imports an HTTP client; a test of the
source ensures that. Start with `model` (the values), then `judge` (the decision).
"""

"""The pure heart: bytes and values in, values out.

Nothing here is asynchronous, reads a clock, the environment or a file, logs, or knows an HTTP client; a test
reads the source and says so. Start with `model` (the values that travel), then `policy` (the only yes).
"""

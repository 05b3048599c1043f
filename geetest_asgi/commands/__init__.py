"""The commands that look at a configuration: `check`, `match`, `sign`. Each is a module with `add` and `run`."""

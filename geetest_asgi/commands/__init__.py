"""Commands that look at a configuration: `check`, `match`, `explain`, `sign`. Each is a module with `add` and `run`."""

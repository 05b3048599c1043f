"""Which rule a path falls under: patterns, the spellings of a path, and the table of rules. Pure."""

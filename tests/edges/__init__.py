"""The whole guard, end to end: real apps in front, a real socket in between, GeeTest's stand-in behind."""

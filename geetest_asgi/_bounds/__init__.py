"""Shared counters and switches that bound what the guard does. No I/O."""

"""Observers of the decisions: the log, and OpenTelemetry for those who pass it as `on_result`."""

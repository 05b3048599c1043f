"""Who is told about each decision. `logs` is always there; `otel`, if you give it to `on_result`."""

"""Who is told about each decision. `logs` is always there; `on_result` is yours."""

"""One machine: pods as processes, Envoy in front, SQLite for the record. Put together by `wiring`."""

"""Who is asked for numbers: one module per provider. Put together by `wiring`."""

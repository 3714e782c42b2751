"""Who may ask: the command line. Calls `wiring` and `control`; shows what `views` makes of the record."""

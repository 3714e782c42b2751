"""What things are: frozen dataclasses, no I/O, no clock. Everybody may import this; it imports only errors."""

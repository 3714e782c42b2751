"""How the outside does it. Only `wiring` imports from here; adapters do not know each other."""

"""Where pull requests are opened: one module per forge."""

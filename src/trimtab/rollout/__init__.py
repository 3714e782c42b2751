"""What should happen next? `decide` and what it stands on; pure. Called by `control`, calls only `model` and a digest."""

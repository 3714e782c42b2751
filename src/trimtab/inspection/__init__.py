"""Would what a target renders to do in a cluster what its authors want? Rendered objects to findings; pure."""

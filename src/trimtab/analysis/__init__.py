"""Is the canary as good as the primary? Numbers in, verdict out. Pure; knows nothing of rollouts."""

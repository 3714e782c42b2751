"""A Kubernetes cluster: how it is reached, what is kept of it in memory, and how the ports look in it."""

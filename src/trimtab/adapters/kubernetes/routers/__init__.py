"""Who gets which share of the requests in a cluster: one module per mesh or ingress, and one that reads and writes for all."""

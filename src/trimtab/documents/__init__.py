"""What people write: YAML shapes field for field, how they are read, and the CRDs made from them. Read by adapters and faces."""

"""What is inside a ConfigMap: formats, digests, references from pod templates, key-level difference. Pure."""

"""What `trimtab check` needs from outside: the schemas of Kubernetes, and validators of one's own."""

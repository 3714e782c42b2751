"""Content moving from canary to stable in a git repository: plan, evidence, pull request text."""

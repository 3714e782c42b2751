"""`trimtab init`: the files that a repository needs for a pipeline, and which of them it has already."""

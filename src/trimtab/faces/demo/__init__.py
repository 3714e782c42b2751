"""`trimtab demo`: a small web service, its repository, steady load, and four changes of configuration."""

"""Which adapter fills which port: the only modules that name both, one for each place where Trimtab runs. Called by the faces."""

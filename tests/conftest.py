"""What holds for all tests: no property fails because a machine is slow."""

from hypothesis import HealthCheck, settings

# Derandomised where CI is set, as Hypothesis does it by itself there.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

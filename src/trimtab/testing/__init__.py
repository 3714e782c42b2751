"""Public: every port in memory, contract checks for adapters, a simulation with faults. Used by tests, also those of others."""

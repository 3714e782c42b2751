"""Public: every port in memory, contract checks that every adapter must pass, a simulation with faults. Used by tests, also outside ones."""

"""A run beside its registered forecast."""

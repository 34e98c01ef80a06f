"""What travels behind the gate: one module a feature, independent of one another."""

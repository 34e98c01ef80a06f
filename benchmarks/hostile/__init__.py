"""Attacks and faults, measured on a broker that is a process of its own."""

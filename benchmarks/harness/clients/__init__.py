"""The clients that the Python driver drives, one module a peer."""

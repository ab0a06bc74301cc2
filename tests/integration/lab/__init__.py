"""A real Jupyter server that forwards to a small api of its own kind."""

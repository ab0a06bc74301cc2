"""Keys of clouds and devices: sealed at rest, opened by the platform worker, each read recorded."""

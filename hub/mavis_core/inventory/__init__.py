"""What there is in a project's environments: discovery, power, tags."""

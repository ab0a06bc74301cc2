"""A double of the appliance for tests of its client: a real HTTP server with set answers."""

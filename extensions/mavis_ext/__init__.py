"""The REST API handlers of Mavis, for Tornado."""

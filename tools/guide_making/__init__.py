"""Makes the tables of the guide to the REST API, from what the code says."""

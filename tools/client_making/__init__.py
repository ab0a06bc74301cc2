"""Makes the parts of the client that follow from something else: models and the sync half."""

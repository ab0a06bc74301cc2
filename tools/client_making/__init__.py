"""Makes the parts of the client that follow from something else, and the page of its commands."""

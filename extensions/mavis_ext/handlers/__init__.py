"""The REST API's handlers, one module a noun."""

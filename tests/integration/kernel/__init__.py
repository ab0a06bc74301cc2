"""The kernel "Mavis (Python)", started as Jupyter does, against the REST API over a fake cloud."""

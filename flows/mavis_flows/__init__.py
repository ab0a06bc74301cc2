"""Prefect flows of Mavis. Thin: they call mavis_core."""

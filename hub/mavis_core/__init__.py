"""The Mavis platform as a library: no Tornado, no Jupyter, no Prefect in it."""

"""Protection: recovery points of instances, the plans that make them, and bringing them back.

The packages stand in layers, and a linter keeps them so: what is weighed for deletion knows of
restores, a restore of points, a point of nothing but itself.
"""

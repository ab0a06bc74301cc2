"""Published dashboards: their versions, who may open them, and what their kernels may read."""

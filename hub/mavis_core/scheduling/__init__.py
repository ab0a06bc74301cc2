"""Runs: one execution of a job, from the request to its outcome, over crashes and attempts."""

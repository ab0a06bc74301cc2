"""The whole appliance from outside: REST as a person, a browser, a kernel, kill -9.

Nothing here stands in for a part of it but the cloud, which is the simulator of `cloud`.
"""

"""What tests of Mavis and of strangers' kits need: shipped fakes and conformance suites.

`cloud`: an in-memory cloud that keeps the contract. `cloud_conformance`: the suite that every
kit passes, the fake included; it needs pytest.
"""

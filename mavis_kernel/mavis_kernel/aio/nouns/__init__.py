"""What can be asked of the appliance: one module a noun of the contract.

A noun is a small class on the transport; the client holds one of each.
"""

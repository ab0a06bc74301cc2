"""What can be asked of the appliance: one module a noun of the contract.

A noun is a small class on the `Transport`; `mavis_kernel.client.Mavis` holds one of each.
"""

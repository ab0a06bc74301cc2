"""The processes on the appliance: their table, composition and command line."""

"""The gateway: remote sessions of people, in a browser or by SSH, recorded from their first byte."""

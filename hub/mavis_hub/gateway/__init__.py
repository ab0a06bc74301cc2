"""The gateway: remote sessions of people, in a browser or by SSH, recorded from the first byte."""

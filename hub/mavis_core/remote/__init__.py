"""Remote sessions: devices, how they are reached, and what was done there, recorded."""

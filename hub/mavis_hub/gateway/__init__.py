"""The gateway: sessions with devices, through a browser or a client of SSH, recorded."""

"""The catalogue against the clouds: made anew from them, and open calls found out."""

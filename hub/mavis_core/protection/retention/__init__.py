"""Which recovery points stay and which go, by rule, and what that will come to. Pure."""

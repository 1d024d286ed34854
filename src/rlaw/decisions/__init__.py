"""Which size, how long, when to stop."""

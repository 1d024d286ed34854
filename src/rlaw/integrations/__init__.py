"""rlaw inside of a trainer's own process."""

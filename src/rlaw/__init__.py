"""rlaw."""

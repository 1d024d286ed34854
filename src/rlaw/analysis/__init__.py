"""One question about a study in each file."""

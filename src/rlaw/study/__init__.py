"""From a study file to planned runs."""

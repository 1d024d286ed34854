"""From a table of measurements to a fitted law."""

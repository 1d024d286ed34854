"""Losses that nobody has measured yet."""

"""Distances between checkpoints, and merging."""

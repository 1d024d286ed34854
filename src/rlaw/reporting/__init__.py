"""Figures, tables, and one page."""

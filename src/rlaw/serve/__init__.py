"""A live page; watched runs."""

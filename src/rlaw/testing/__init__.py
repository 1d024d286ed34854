"""Suites that every law, engine and importer passes, also those of your own."""

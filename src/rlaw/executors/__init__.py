"""Executors: where attempts at runs are made. One file each."""

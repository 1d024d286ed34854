"""Readers of measurements that rlaw did not make itself. One file each."""

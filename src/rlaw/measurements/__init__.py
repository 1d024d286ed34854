"""Any log becomes one table."""

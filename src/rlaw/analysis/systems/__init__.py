"""Systems compared on one ledger."""

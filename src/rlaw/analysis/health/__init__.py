"""Is a run well? One table of rules, each with its evidence."""

"""The `deploy` command: arguments to one call each."""

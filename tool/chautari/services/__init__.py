"""Everything the toolkit knows of a service: one package each, found by `registry`."""

"""Two regions on one machine that trust each other: `make demo-federation`."""

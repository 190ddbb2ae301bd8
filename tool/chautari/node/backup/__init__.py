"""Backups of this node: what the role `backup` installs, with Python's standard library only."""

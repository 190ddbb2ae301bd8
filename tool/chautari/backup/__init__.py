"""Backups of a region, seen from the control machine."""

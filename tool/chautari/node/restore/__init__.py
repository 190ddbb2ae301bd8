"""Restore backups on a node, and prove weekly that they can be restored; standard library only."""

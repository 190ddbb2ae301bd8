"""Doubles: small stand-ins for upstream releases, used in the sandbox only."""

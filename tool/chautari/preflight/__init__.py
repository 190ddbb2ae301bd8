"""Decides before anything changes whether a machine can become what the region wants."""

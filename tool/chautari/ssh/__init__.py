"""Reaches nodes over SSH: targets, the runner on a node, and its stream of events."""

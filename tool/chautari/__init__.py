"""Chautari: stand up a region's federated services on its nodes, and prove that they work."""

__version__ = "0.1.0"

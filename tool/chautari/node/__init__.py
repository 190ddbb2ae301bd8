"""What runs on the node: standard library only, no import from the rest of the package."""

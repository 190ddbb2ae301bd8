"""Files that are generated from the model and the registry of services."""

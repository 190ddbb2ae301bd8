"""Create the files of a new region: its `region.yml`, and those of its repository."""

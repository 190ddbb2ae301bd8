"""Programs that stand for upstream's in doubles of container images."""

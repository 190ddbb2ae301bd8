"""Loading and validating `region.yml`: guarded reader, typed model, rules across fields."""

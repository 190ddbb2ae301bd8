"""A region's secrets: generated here, kept encrypted to the operators' own SSH keys."""

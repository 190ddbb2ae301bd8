"""Federation with other regions: signed descriptors, pinned peers, and whom a region trusts."""

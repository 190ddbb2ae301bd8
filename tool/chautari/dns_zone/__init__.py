"""The DNS records that a region needs, and what its domain's own name servers answer."""

"""How many people, accounts and GB a region has room for, and what limits it first."""

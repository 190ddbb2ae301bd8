"""How many people, accounts and GB of files a region has room for, and what limits it first."""

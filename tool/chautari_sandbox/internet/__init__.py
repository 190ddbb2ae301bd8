"""The container that plays the internet: DNS, ACME, mail, apt cache and downloads."""

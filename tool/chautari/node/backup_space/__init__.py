"""Space for backups of peers: what the role `backup_space` installs, with the standard library."""

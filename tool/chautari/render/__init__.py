"""`Region` → what Ansible reads: host variables, a static inventory, one bundle a node."""

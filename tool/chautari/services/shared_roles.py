"""Roles that several services use, in the order they run where nothing else decides."""

from __future__ import annotations

from chautari.services.base import Port, Role

WEB_PORTS = (
    Port("80", "tcp", "HTTP: redirects and ACME"),
    Port("443", "tcp", "HTTPS"),
)
# Every node gets these; mail only where the region has a relay.
MAIL_ROLE = "mail"
BASE_ROLES = ("base", "ssh", "firewall", MAIL_ROLE, "fail2ban")
# A region's `backup` decides which nodes get these.
BACKUP_ROLE = "backup"
BACKUP_SPACE_ROLE = "backup_space"

SHARED_ROLES = (
    Role("base", "Base of every node"),
    Role("ssh", "SSH server", after=("base",)),
    # The firewall reads the settings of SSH.
    Role("firewall", "Firewall", after=("ssh",)),
    Role(MAIL_ROLE, "Mail", after=("firewall",)),
    Role("nginx", "Web server", after=("mail",), ports=WEB_PORTS),
    Role("tls", "Certificates", after=("nginx",)),
    Role("postgresql", "PostgreSQL", after=("tls",)),
    Role("mariadb", "MariaDB", after=("postgresql",)),
    Role("redis", "Redis", after=("mariadb",)),
    Role("php", "PHP", after=("redis",)),
    Role("repository", "Package repositories", after=("php",)),
    Role("turn", "TURN server", after=("repository",)),
    Role("containers", "Container engine", after=("turn",)),
    # After the roles of all services, whose logs it reads.
    Role("fail2ban", "Fail2ban", after=("containers",)),
    # After the roles of all services, whose state is stored.
    Role(BACKUP_SPACE_ROLE, "Space for backups of peers", after=("fail2ban",)),
    Role(BACKUP_ROLE, "Backups", after=(BACKUP_SPACE_ROLE,)),
)

"""Operating systems that nodes run, and what each one ships."""

from __future__ import annotations

from datetime import date

# What the kernel calls a processor, and what Debian calls it.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
DEBIAN = ("debian-12", "debian-13")
PHP_OF = {"debian-12": (8, 2), "debian-13": (8, 4)}

# When nodes should run a newer system: docs/decisions/0009-two-releases-of-ansible.md.
MOVE_BY = {"debian-12": ("debian-13", date(2027, 6, 30))}


def php_version_text(os: str) -> str:
    """Return the PHP version that `os` ships, as people write it."""
    return ".".join(map(str, PHP_OF[os]))

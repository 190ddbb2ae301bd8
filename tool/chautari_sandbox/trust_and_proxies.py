"""Settings of every container for connections: authorities, apt's proxy, pip's index."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from chautari.account import home_dir
from chautari_sandbox import boot_archive

HOST_AUTHORITIES = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_STORE = "/usr/local/share/ca-certificates"


def authority_entries(
    own: tuple[str, ...], neighbours: tuple[str, ...], host: Path = HOST_AUTHORITIES
) -> tuple[boot_archive.ArchiveEntry, ...]:
    """Return the authorities of the host's administrator, the sandbox and its neighbours.

    Each file has one certificate: some programs take only the first one of a file. No two files
    have the same name, since OpenSSL's folder of certificates has room for each name once.
    """
    added = sorted(path for path in host.rglob("*.crt") if path.is_file())
    return (
        boot_archive.folder_entry(f"{_STORE}/host"),
        boot_archive.folder_entry(f"{_STORE}/sandbox"),
        boot_archive.folder_entry(f"{_STORE}/neighbours"),
        *(
            boot_archive.ArchiveEntry(f"{_STORE}/host/{number:02}-{path.name}", path.read_bytes())
            for number, path in enumerate(added)
        ),
        *(
            boot_archive.text_entry(f"{_STORE}/{folder}/{folder}-{number}.crt", text)
            for folder, texts in (("sandbox", own), ("neighbours", neighbours))
            for number, text in enumerate(texts)
        ),
    )


def apt_and_pip_entries(cache: str, index: str) -> tuple[boot_archive.ArchiveEntry, ...]:
    """Return the settings of apt and pip, as a hosting provider's image has them."""
    proxy = f'Acquire::http::Proxy "http://{cache}:3142";\nAcquire::https::Proxy "DIRECT";\n'
    pip = f"[global]\ncert = {BUNDLE}\n" + (f"index-url = {index}\n" if index else "")
    return (
        boot_archive.text_entry("/etc/apt/apt.conf.d/01proxy", proxy),
        boot_archive.text_entry("/etc/pip.conf", pip),
    )


def _host_pip_config_files() -> tuple[Path, ...]:
    home = home_dir()
    return (Path("/etc/pip.conf"), home / ".config/pip/pip.conf", home / ".pip/pip.conf")


def host_pip_index_url(
    environment: Mapping[str, str] = os.environ, files: tuple[Path, ...] | None = None
) -> str:
    """Return the package index that pip uses on this machine; empty for pip's own default."""
    named = environment.get("PIP_CONFIG_FILE")
    settings = configparser.RawConfigParser(strict=False)
    settings.read(
        [*(_host_pip_config_files() if files is None else files), *([named] if named else [])]
    )
    index = settings.get("global", "index-url", fallback="")
    index = environment.get("PIP_INDEX_URL", index).strip()
    return index if index.startswith(("http://", "https://")) else ""

"""The files of the internet container."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template

from chautari_sandbox import boot_archive, dns
from chautari_sandbox.authority import CertificateAndKeyFiles
from chautari_sandbox.state import MailRelay

HOME = "/etc/chautari-internet"
_HERE = Path(__file__).parent
_UNITS = "/etc/systemd/system"
_WANTS = f"{_UNITS}/multi-user.target.wants"
_MASKED = (
    "dnsmasq.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer",
    "fstrim.timer",
)  # fmt: skip


def container_files(
    zone: str,
    address: str,
    acme: CertificateAndKeyFiles,
    smtp: CertificateAndKeyFiles,
    relay: MailRelay,
) -> tuple[boot_archive.ArchiveEntry, ...]:
    """Return the files that the container needs before it boots."""
    return (
        boot_archive.folder_entry(HOME, 0o755),
        boot_archive.text_entry(f"{HOME}/dnsmasq.conf", _fill_template("dnsmasq.conf", zone)),
        boot_archive.text_entry(f"{HOME}/pebble.json", _pebble_settings()),
        boot_archive.text_entry(f"{HOME}/mail.json", _mail_settings(zone, address, relay), 0o600),
        *_mail_relay_modules(),
        boot_archive.text_entry("/etc/nginx/nginx.conf", _fill_template("nginx.conf", zone)),
        *_certificate_files("acme", acme),
        *_certificate_files("smtp", smtp),
        *(entry for unit in ("dns", "acme", "mail") for entry in _unit_files(unit, zone)),
        *(boot_archive.link_entry(f"{_UNITS}/{unit}", "/dev/null") for unit in _MASKED),
    )


def _fill_template(name: str, zone: str) -> str:
    return Template((_HERE / "files" / name).read_text()).substitute(zone=zone)


def _unit_files(name: str, zone: str) -> tuple[boot_archive.ArchiveEntry, ...]:
    unit = f"chautari-{name}.service"
    return (
        boot_archive.text_entry(f"{_UNITS}/{unit}", _fill_template(f"{name}.service", zone)),
        boot_archive.link_entry(f"{_WANTS}/{unit}", f"../{unit}"),
    )


def _certificate_files(
    name: str, identity: CertificateAndKeyFiles
) -> tuple[boot_archive.ArchiveEntry, ...]:
    return (
        boot_archive.ArchiveEntry(f"{HOME}/{name}.crt", identity.certificate.read_bytes()),
        boot_archive.ArchiveEntry(f"{HOME}/{name}.key", identity.key.read_bytes(), 0o600),
    )


def _mail_relay_modules() -> tuple[boot_archive.ArchiveEntry, ...]:
    """Return the modules of the mail relay, importable by the names that they have here."""
    return tuple(
        boot_archive.text_entry(f"{HOME}/chautari_sandbox/internet/{path.name}", path.read_text())
        for path in sorted(_HERE.glob("mail*.py"))
    )


def _pebble_settings() -> str:
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": f"{HOME}/acme.crt",
        "privateKey": f"{HOME}/acme.key",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    return json.dumps({"pebble": settings}, indent=2) + "\n"


def _mail_settings(zone: str, address: str, relay: MailRelay) -> str:
    settings = {
        "zone": zone,
        "listen": address,
        "hostname": relay.host,
        "user": relay.user,
        "password": relay.password,
        "certificate": f"{HOME}/smtp.crt",
        "key": f"{HOME}/smtp.key",
        "spool": "/var/lib/chautari-mail",
        "routes": f"/etc/chautari-dns/{dns.MAIL_ROUTES_FILE}",
    }
    return json.dumps(settings, indent=2) + "\n"

"""Every manual change that can be made to the managed resources of a node.

`changes` reads the receipts of a node and returns the commands that alter each resource. What a
role does not restore on purpose is listed in `NOT_RESTORED`, with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Receipt = dict[str, Any]

CONFIG = "/var/lib/nextcloud/config/config.php"
# Files of which a role manages one line: this line is changed.
ONE_LINE = {
    "/etc/hosts": "sed -i '/^127.0.1.1/s/$/ tampered/' /etc/hosts",
    "/etc/locale.gen": "sed -i 's/^\\([a-z_A-Z]*.UTF-8 UTF-8\\)/# \\1/' /etc/locale.gen",
    CONFIG: f"sed -i \"/'loglevel'/s/2/0/\" {CONFIG}",
}
# In addition, files in /etc/ssh are left out: they decide on the firewall's rules.
NOT_RESTORED = {
    (
        "/var/lib/nextcloud/config/config.php",
        "gone",
    ): "nothing is installed over a database with data",
    ("/var/lib/nextcloud/config/config.php", "mode"): "it is Nextcloud's own file",
    ("/var/lib/nextcloud/config/config.php", "owner"): "it is Nextcloud's own file",
    ("/var/lib/nextcloud/config/config.php", "owning group"): "it is Nextcloud's own file",
    ("/proc/sys/kernel/hostname", "mode"): "the kernel's",
    ("/proc/sys/kernel/hostname", "owner"): "the kernel's",
    ("/proc/sys/kernel/hostname", "owning group"): "the kernel's",
    ("/proc/sys/kernel/hostname", "gone"): "the kernel's",
    ("/etc/locale.gen", "gone"): "it is the package's list; the role keeps its own line of it",
    ("systemd-journald.service", "stopped"): "its socket starts it again at once",
    ("/etc/localtime", "gone"): "programs of this test need the time zone",
}
# For each probe, a change of what it reads.
PROBES = {
    "locales that are made": "localedef --delete-from-archive "
    "$(localedef --list-archive | head -n 1)",
    "rules in the kernel": "nft delete table inet chautari 2>/dev/null || true",
    "certificates that are good for a week": "certbot delete --non-interactive --cert-name "
    "$(head -n 1 /etc/chautari/tls/names)",
    "accounts and databases of MariaDB": "mariadb --no-defaults -e "
    "\"REVOKE INSERT ON framadate.* FROM 'framadate'@'localhost'; "
    "GRANT ALL ON *.* TO 'framadate'@'localhost'; "
    # Rights beyond its own database: on a database that need not exist, and on a table.
    "GRANT SELECT ON other_polls.* TO 'framadate'@'localhost'; "
    "GRANT SELECT ON mysql.help_topic TO 'framadate'@'localhost'\"",
    "accounts of Prosody": "find /var/lib/prosody -name focus.dat -delete",
    # Held packages are in a file, which is changed itself; upstream's releases cannot be changed.
    "releases that apt would install": "",
    "copy of the certificate": "rm /etc/coturn/tls/privkey.pem",
    # Without the other certificates, the node could not reach the ACME authority.
    "certificates of meeting nodes in the system's bundle": "cd /usr/local/share/ca-certificates; "
    "mv auth.*.crt /root/; update-ca-certificates --fresh; mv /root/auth.*.crt .",
    "haproxy's copy of the certificate": "truncate -s 10 /etc/haproxy/certbundle.pem",
    # Its settings are changed themselves; a stopped server accepts no secret.
    "secret that the server takes": "systemctl stop bbb-web.service",
    "packages that are whole, and the locale they want": "localedef --delete-from-archive "
    "en_US.utf8",
    "settings that packages would put back": "sed -i "
    "'s/external_rtp_ip=[^\"]*/external_rtp_ip=stun:stun.example.org/' "
    "/opt/freeswitch/etc/freeswitch/vars.xml",
    # A deleted table loses its polls, which only a backup can restore.
    "tables of the polls": "",
    "accounts and databases of PostgreSQL": "chautari-psql -qc "
    "\"ALTER ROLE nextcloud CREATEDB PASSWORD 'tampered-with-it'\"",
    "images that are there, by their digests": "podman rmi --force "
    "$(podman images --quiet | head -n 1)",
    "servers of the pool": "export REDISCLI_AUTH=$(sed -n 's/^requirepass //p' "
    "/etc/redis/chautari.conf); ask='redis-cli -s /run/redis/redis-server.sock'; "
    "$ask HSET server:$($ask SMEMBERS servers | head -n 1) url https://tampered.example.org/api",
    "the administrator, and who may register": "chautari-psql -qd greenlight -c "
    "\"UPDATE site_settings SET value = 'tampered' FROM settings "
    "WHERE settings.id = site_settings.setting_id AND settings.name = 'RegistrationMethod'\"",
    "settings, apps and accounts in the database": "chautari-psql -qd nextcloud -c "
    "\"UPDATE oc_appconfig SET configvalue = '9 GB' WHERE configkey = 'default_quota'\"",
}


@dataclass(frozen=True)
class Change:
    """One manual change: the resource, the kind, and the command that makes it."""

    roles: tuple[str, ...]
    item: str
    kind: str
    command: str

    def __str__(self) -> str:
        return f"{self.item} ({self.kind})"


def changes(receipts: list[Receipt]) -> list[Change]:
    """Return every change that can be made to resources of the receipts, each once."""
    found: dict[tuple[str, str], Change] = {}
    for receipt in receipts:
        for item, state in zip(receipt["items"], receipt["states"], strict=True):
            for name, kind, command in _of(item, state):
                # A recorded refusal of the authority is valid for an hour.
                if (
                    (name, kind) in NOT_RESTORED
                    # Without these and the operator's account, a deploy could not log in.
                    or name.startswith(("/etc/ssh/", "/root/.ssh/"))
                    or ".refused" in name
                ):
                    continue
                before = found.get((name, kind))
                roles = (*(before.roles if before else ()), receipt["role"])
                found[name, kind] = Change(tuple(dict.fromkeys(roles)), name, kind, command)
    return list(found.values())


def _of(item: dict[str, Any], state: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    name = item["name"]
    match item["kind"]:
        case "path":
            yield from _of_path(name, state)
        case "paths":
            for path, there in state.items():
                if path != "/proc/sys/kernel/hostname":
                    yield from _of_path(path, there)
                else:
                    yield path, "content", "hostname tampered"
        case "package" if state["status"] == "installed":
            # sudo refuses to be removed without this variable.
            remove = "SUDO_FORCE_REMOVE=yes dpkg --force-depends --force-remove-essential --remove"
            yield name, "package", f"{remove} {name}"
        case "unit":
            if state.get("active") == "active":
                yield name, "stopped", f"systemctl stop {name}"
            if state.get("enabled") == "enabled":
                yield name, "disabled", f"systemctl disable {name}"
        case "account":
            if state["groups"]:
                yield name, "group", f"gpasswd --delete {name} {state['groups'][0]}"
        case "group" if state.get("members"):
            yield name, "member", f"gpasswd --delete {state['members'][0]} {name}"
        case "debconf":
            answer = f"set {name} Internet Site"
            yield name, "answer", f"echo {shlex.quote(answer)} | debconf-communicate"
        case "probe" if PROBES[name]:
            yield name, "probe", PROBES[name]


def _of_path(path: str, state: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    quoted = shlex.quote(path)
    if state["is"] == "absent":
        yield path, "there", f"touch {quoted}"
        return
    if state["is"] == "link":
        yield path, "content", f"ln -sfn /nowhere {quoted}"
        return
    # In a container these files are mounted: they can be written, but not replaced or chowned.
    if state["is"] == "file":
        changed = ONE_LINE.get(path, f"printf '\\n' >> {quoted}")
        if path not in ("/etc/hosts", "/etc/hostname"):
            yield path, "gone", f"rm {quoted}"
        # Only the time of a marker counts; its mode is recorded only when the handler ran.
        if path.endswith(".loaded"):
            return
        yield path, "content", changed
    if path not in ("/etc/hosts", "/etc/hostname"):
        mode = int(state["mode"], 8) ^ 0o004
        yield path, "mode", f"chmod {mode:o} {quoted}"
        owner = 65534 if state["uid"] != 65534 else 0
        yield path, "owner", f"chown -h {owner} {quoted}"
        group = 65534 if state["gid"] != 65534 else 0
        yield path, "owning group", f"chgrp -h {group} {quoted}"


# Runs on the node: makes each change, compares the receipts, and reverts it from a copy.
DETECT = """
import json, subprocess, sys
sys.path.insert(0, "/var/lib/chautari/lib")
from pathlib import Path
from chautari.node import receipts
left = receipts.all_receipts(Path("/var/lib/chautari"))
missed = []
for change in json.load(sys.stdin):
    path = change["item"]
    subprocess.run(["sh", "-c", change["back_up"]], check=True)
    subprocess.run(["sh", "-c", change["command"]], check=True, stdout=subprocess.DEVNULL)
    mine = [r for r in left if r.role in change["roles"]]
    for receipt, reasons in zip(mine, receipts.drift_reasons(mine)):
        if not any(path in reason["data"].values() for reason in reasons):
            missed.append([receipt.role, path, change["kind"]])
    subprocess.run(["sh", "-c", change["restore"]], check=True)
print(json.dumps(missed))
"""


def detectable(found: list[Change]) -> list[dict[str, Any]]:
    """Return the changes to paths with the commands that back up and restore each path."""
    found_paths = []
    for change in found:
        if not change.item.startswith("/") or change.item.startswith("/proc"):
            continue
        path = shlex.quote(change.item)
        back_up = f"cp -a --no-dereference {path} /root/aside"
        restore = f"cp -a --no-dereference --remove-destination /root/aside {path}"
        restore += " && rm -rf /root/aside"
        if change.kind == "there":
            back_up, restore = "true", f"rm -f {path}"
        elif change.kind in ("mode", "owner", "owning group"):
            back_up = f"stat -c '%a %u:%g' {path} > /root/aside"
            restore = (
                f"read -r mode owner < /root/aside; chown -h $owner {path}; chmod $mode {path}"
            )
        elif change.item in ("/etc/hosts", "/etc/hostname"):
            restore = f"cat /root/aside > {path}"
        found_paths.append(vars(change) | {"back_up": back_up, "restore": restore})
    return found_paths


def receipts_of(text: str) -> list[Receipt]:
    """Return the receipts from their files' contents, one JSON object a line."""
    return [json.loads(line) for line in text.splitlines()]


# Files whose content differs each time they are created; checks prove that it is right. Their other
# attributes are compared.
SALTED = {
    "/etc/framadate/htpasswd": "a login is written with another salt",
    "/var/www/chautari-bigbluebutton/welcome.pdf": "a PDF holds the time when it was made",
}
# Words in the output of probes that differ each time they are created.
SALTED_WORDS = {
    # PostgreSQL keeps a password with a salt; the probe ends an account's line with its digest.
    "accounts and databases of PostgreSQL": r"(?<=\|)[0-9a-f]{32}$",
    # Prosody does so, too; the line of an account ends with a digest of its data.
    "accounts of Prosody": r"(?<= )[0-9a-f]{16}$",
}


def not_repaired(
    before: list[dict[str, Any]], after: list[dict[str, Any]], made: list[Change]
) -> list[str]:
    """Return the changed resources whose state still differs.

    Only resources in both receipts are compared: those of a handler are recorded when it ran.
    """
    then, now = _states(before), _states(after)
    touched = {change.item for change in made}
    return [
        f"{key}: {then[key]} → {now[key]}" for key in then.keys() & now.keys()
        if then[key] != now[key]
        and any(item in json.dumps([key[2], then[key]]) for item in touched)
    ]  # fmt: skip


def _states(side: list[dict[str, Any]]) -> dict[tuple[str, str, str], Any]:
    text = [
        ((receipt["role"], item["kind"], item["name"]), json.loads(json.dumps(state)))
        for receipt in side
        for item, state in zip(receipt["items"], receipt["states"], strict=True)
    ]
    for (_, _, name), state in text:
        if name in SALTED:
            for part in (state, *(v for v in state.values() if isinstance(v, dict))):
                part.pop("sha256", None)
        if name in SALTED_WORDS:
            state["says"] = [re.sub(SALTED_WORDS[name], "salted", word) for word in state["says"]]
    return dict(text)

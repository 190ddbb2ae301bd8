"""Call borg: its environment, its arguments, and what its messages mean."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chautari.node.backup.errors import BackupError
from chautari.node.backup.settings import Settings, Target
from chautari.node.backup.state_file import HOME

BORG = "/usr/bin/borg"
LOCK_SECONDS = 120
WARNING = 1  # exit code of borg
CHUNKS = "buzhash,16,20,18,4095"
# What an interruption loses at most. Each checkpoint costs time; only where a connection broke is a
# short interval better. One that breaks every 15 seconds never finishes with 30: it counts from
# each start.
CHECKPOINT_SECONDS = 60
CLOSE_CHECKPOINT_SECONDS = 5
# Without the program that names the paths, borg has nothing more to do.
DIE_WITH_PARENT = ["/usr/bin/setpriv", "--pdeathsig", "KILL"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Names that borg gives to errors, without the class around them, and the code of each.
CODES = {
    "PassphraseWrong": "passphrase_wrong",
    "PasscommandFailure": "passphrase_wrong",
    "LockTimeout": "repository_locked",
    "LockFailed": "repository_unwritable",
    "ConnectionClosed": "connection_lost",
    "ConnectionClosedWithHint": "connection_lost",
    "DoesNotExist": "repository_missing",
    "InvalidRepository": "repository_missing",
    "ParentPathDoesNotExist": "repository_missing",
    "StorageQuotaExceeded": "quota_exceeded",
    "InsufficientFreeSpaceError": "no_room",
    "CheckNeeded": "repository_damaged",
    "ObjectNotFound": "repository_damaged",
    "IntegrityError": "repository_damaged",
    "PathNotAllowed": "repository_refused",
    "EncryptionMethodMismatch": "repository_replaced",
    "CacheInitAbortedError": "repository_replaced",
    "RepositoryReplay": "repository_replayed",
    "UnsupportedPayloadError": "repository_replaced",
    "AlreadyExists": "archive_exists",
}
_TEXT_CODES = (
    ("Connection closed by remote host", "connection_lost"),
    ("Broken pipe", "connection_lost"),
    ("No space left on device", "no_room"),
    ("Disk quota exceeded", "no_room"),
    ("storage quota", "quota_exceeded"),
    ("Permission denied (publickey", "login_refused"),
    ("Host key verification failed", "host_key_changed"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "host_key_changed"),
    ("Connection refused", "target_unreachable"),
    ("Connection timed out", "target_unreachable"),
    ("No route to host", "target_unreachable"),
    ("Could not resolve hostname", "target_unreachable"),
    ("Network is unreachable", "target_unreachable"),
)
RETRIED = ("connection_lost", "target_unreachable", "stalled")


def borg_environment(settings: Settings, target: Target, home: Path = HOME) -> dict[str, str]:
    """Return the whole environment of borg; the passphrase is in a file, not in it."""
    return {
        "PATH": PATH,
        "HOME": str(home / "borg"),
        # Paths on standard input are counted in characters of this encoding.
        "LC_ALL": "C.UTF-8",
        "BORG_BASE_DIR": str(home / "borg"),
        "BORG_REPO": target.repository,
        "BORG_PASSCOMMAND": f"/usr/bin/cat {settings.folder / 'passphrase'}",
        "BORG_RSH": " ".join(ssh_command(settings)),
        # A lock is known to be left over when the host that holds it is known.
        "BORG_HOST_ID": f"{settings.region}-{settings.node}",
        # The region says where a target is; the id of the repository is compared separately.
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        # A target that offers a repository without encryption must not receive any data.
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
        "BORG_DISPLAY_PASSPHRASE": "no",
        "BORG_EXIT_CODES": "legacy",
    }


def ssh_command(settings: Settings) -> list[str]:
    """Return the command that logs in to a target: with its own key and list of host keys only."""
    options = {
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "UserKnownHostsFile": str(settings.folder / "known_hosts"),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ClearAllForwardings": "yes",
        "ControlPath": "none",
        "PermitLocalCommand": "no",
    }
    given = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    return ["/usr/bin/ssh", "-F", "none", "-T", "-i", str(settings.folder / "login_key"), *given]


def borg_command(*arguments: str, lock_seconds: int = LOCK_SECONDS) -> list[str]:
    """Return a call of borg whose messages are JSON."""
    return [BORG, "--log-json", "--lock-wait", str(lock_seconds), *arguments]


def create_command(archive: str, limit_kib: int, *, is_retry: bool = False) -> list[str]:
    """Return the call that stores the paths on its standard input as `archive`."""
    interval = CLOSE_CHECKPOINT_SECONDS if is_retry else CHECKPOINT_SECONDS
    limit = ["--upload-ratelimit", str(limit_kib)] if limit_kib else []
    return DIE_WITH_PARENT + borg_command(
        "--progress", "--info", *limit, "create", "--json", "--paths-from-stdin",
        "--paths-delimiter", "\\0", "--read-special", "--chunker-params", CHUNKS,
        "--checkpoint-interval", str(interval), "--compression", "auto,zstd,3",
        f"::{archive}",
    )  # fmt: skip


class BorgMessages:
    """What borg wrote to its standard error, as far as it matters."""

    def __init__(self) -> None:
        """Start with no messages."""
        self.errors: list[tuple[str, str]] = []  # name and text
        self.warnings: list[str] = []
        self.other: list[str] = []
        self.quota: int = 0
        self.quota_used: int = 0

    def add_line(self, line: str) -> None:
        """Remember one line."""
        try:
            item = json.loads(line)
            text, level = str(item.get("message", "")), item.get("levelname")
            kind, name = item.get("type"), str(item.get("msgid") or "").rpartition(".")[2]
        except (ValueError, AttributeError):
            kind, text, level, name = "", line.strip(), "", ""
        if kind in ("archive_progress", "progress_percent", "progress_message", "file_status"):
            return
        if found := _QUOTA.search(text):
            self.quota_used, self.quota = _parse_size(found[1]), _parse_size(found[2])
        if level in ("ERROR", "CRITICAL"):
            self.errors.append((name, text))
        elif level == "WARNING":
            self.warnings.append(text)
        elif text:
            self.other = [*self.other[-20:], text]

    def to_backup_error(self) -> BackupError:
        """Return why borg failed."""
        for name, text in self.errors:
            if name in CODES and name not in ("ConnectionClosed", "ConnectionClosedWithHint"):
                return BackupError(CODES[name], reason=text[:500])
        everything = "\n".join([text for _, text in self.errors] + self.warnings + self.other)
        # ssh says why a connection was closed; borg only says that it was.
        for part, code in (*_TEXT_CODES[2:], *_TEXT_CODES[:2]):
            if part in everything:
                return BackupError(code, reason=everything[-500:])
        return BackupError("borg_failed", reason=everything[-500:])


_QUOTA = re.compile(r"Storage quota: ([0-9.]+ [kMGTPEZY]?B) out of ([0-9.]+ [kMGTPEZY]?B) used")


def _parse_size(text: str) -> int:
    """Return the bytes that borg means by a text such as `1.50 GB`."""
    number, _, unit = text.partition(" ")
    powers = {letter: 1000**power for power, letter in enumerate("kMGTPEZY", 1)}
    return int(float(number) * powers.get(unit[0], 1))


def run_borg(
    settings: Settings,
    target: Target,
    *arguments: str,
    home: Path = HOME,
    limit: float = 3600,
    highest_code: int = WARNING,
) -> tuple[str, BorgMessages]:
    """Run borg and return its output and messages.

    Args:
        settings: of the node.
        target: whose repository.
        arguments: of borg.
        home: folder of this program's own.
        limit: seconds that it may take.
        highest_code: exit codes above this one are a failure.

    Raises:
        BackupError: when it fails.
    """
    try:
        done = subprocess.run(
            borg_command(*arguments),
            env=borg_environment(settings, target, home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BackupError("stalled", command=arguments[0]) from None
    messages = BorgMessages()
    for line in done.stderr.splitlines():
        messages.add_line(line)
    if not 0 <= done.returncode <= highest_code:
        raise messages.to_backup_error()
    return done.stdout, messages


def list_complete_archives_by_age(
    settings: Settings, target: Target, home: Path = HOME
) -> list[dict[str, Any]]:
    """Return the complete archives of this node, oldest first: name, id and time."""
    found = archives_and_leftovers_by_age(list_repository(settings, target, home))
    return [item for item in found if is_name_of_finished_archive(item["name"])]


def list_repository(settings: Settings, target: Target, home: Path = HOME) -> dict[str, Any]:
    """Return what borg tells about a repository and the archives of this node."""
    options = ("--json", "--consider-checkpoints", "--glob-archives", f"{settings.node}-*")
    text, _ = run_borg(settings, target, "list", *options, home=home)
    return dict(json.loads(text))


def archives_and_leftovers_by_age(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the archives of `list_repository`, oldest first, with what interrupted runs left."""
    found: Sequence[Mapping[str, Any]] = content["archives"]
    return sorted(map(dict, found), key=lambda item: str(item["start"]))


_FINISHED = re.compile(r"[a-z0-9-]+-[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def is_name_of_finished_archive(name: str) -> bool:
    """Return whether an archive has the name of one that is complete."""
    return _FINISHED.fullmatch(name) is not None

"""The settings `backup` of a region: what is stored where, and the space that it gives to peers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from chautari.language import _
from chautari.region.base import StrictModel
from chautari.region.field_types import (
    HostKeyLine,
    Name,
    Port,
    Size,
    validate_domain,
)

_FOLDER = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,9}")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"([0-9]{1,3}\.){3}[0-9]{1,3}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
DEFAULT_SSH_PORT = 22


def _check_backup_folder(value: str) -> str:
    if not _FOLDER.fullmatch(value) or len(value) > 200:
        raise ValueError(
            _(
                "{value!r} is not a folder that a backup can use; write letters, digits, "
                "dots, dashes and slashes, without a slash at the end, such as chautari",
                value=value,
            )
        )
    return value


def _check_absolute_folder(value: str) -> str:
    if not value.startswith("/") or not _FOLDER.fullmatch(value) or len(value) > 200:
        raise ValueError(
            _(
                "{value!r} is not an absolute path; write the folder where the disk is mounted, "
                "such as /mnt/backup",
                value=value,
            )
        )
    return value


def _check_login(value: str) -> str:
    account, at, host = value.partition("@")
    if not at or not _ACCOUNT.fullmatch(account):
        raise ValueError(
            _(
                "{value!r} is not a login; write ACCOUNT@HOST, such as u1@box.example.org",
                value=value,
            )
        )
    if not _ADDRESS.fullmatch(host):
        validate_domain(host)
    return value


def _check_time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError(
            _(
                '{value!r} is not a time of day; write hours and minutes, such as "02:30"',
                value=value,
            )
        )
    return value


Folder = Annotated[str, AfterValidator(_check_backup_folder)]
AbsoluteFolder = Annotated[str, AfterValidator(_check_absolute_folder)]
Login = Annotated[str, AfterValidator(_check_login)]
Time = Annotated[str, AfterValidator(_check_time)]


class Target(StrictModel):
    """A disk of a node, or a machine that stores backups: exactly one of `disk` and `ssh`."""

    disk: AbsoluteFolder | None = Field(
        default=None,
        description="Folder where a disk is mounted on the node. If the disk is not mounted, the "
        "backup is refused.",
        examples=["/mnt/backup"],
    )
    ssh: Login | None = Field(
        default=None,
        description="Account and host of an SSH server on which borg is installed, or of a "
        "storage provider that supports borg.",
        examples=["u1@box.example.org"],
    )
    port: Port = Field(
        default=DEFAULT_SSH_PORT, description="Port of the SSH server.", examples=[23]
    )
    path: Folder = Field(
        default="chautari",
        description="Folder on the SSH server, relative to the account's home. The repository of "
        "each node is in `PATH/REGION/NODE`.",
        examples=["chautari"],
    )
    host_key: HostKeyLine | None = Field(
        default=None,
        description="Host key of the SSH server: the line in "
        "`/etc/ssh/ssh_host_ed25519_key.pub`, or a line that `ssh-keyscan -t ed25519 HOST` "
        "prints. A server with a different key is refused.",
        examples=["ssh-ed25519 AAAA…"],
    )
    nodes: tuple[Name, ...] = Field(
        default=(),
        description="Nodes that use this target; by default, all nodes.",
        examples=[["bog1"]],
    )

    @property
    def kind(self) -> Literal["disk", "ssh"]:
        """Return which kind of target this is."""
        return "disk" if self.disk else "ssh"


class Keep(StrictModel):
    """For how many days, weeks and months the newest archive of each is kept."""

    daily: int = Field(
        default=7, ge=1, le=400, strict=True, description="Number of days.", examples=[7]
    )
    weekly: int = Field(
        default=4, ge=0, le=400, strict=True, description="Number of weeks.", examples=[4]
    )
    monthly: int = Field(
        default=6, ge=0, le=400, strict=True, description="Number of months.", examples=[6]
    )


class Backup(StrictModel):
    """What is stored where, and the space that the region gives to its peers."""

    to: tuple[Name, ...] = Field(
        default=(),
        description="Where the region's backups are stored: names of peers that give disk space, "
        "and names from `targets`. Each node stores its backups in all these places.",
        examples=[["himalaya", "disk"]],
    )
    targets: dict[Name, Target] = Field(
        default_factory=dict,
        description="Disks and SSH servers that store backups, each under a name.",
        examples=[{"disk": {"disk": "/mnt/backup"}}],
    )
    keep: Keep = Field(
        default_factory=dict,
        validate_default=True,
        description="How many archives (backups) are kept. Older archives are deleted. Some "
        "targets, such as peers, do not let nodes delete data. There, the disk space of deleted "
        "archives is freed later.",
        examples=[{"daily": 7, "weekly": 4, "monthly": 6}],
    )
    time: Time = Field(
        default="02:30",
        description="Time of day of the nightly backup, in the region's time zone. Each node "
        "begins up to 20 minutes later.",
        examples=["02:30"],
    )
    limit_kib: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        strict=True,
        description="Maximum upload rate of each node in KiB per second; 0 for no limit.",
        examples=[500],
    )
    drill_days: int = Field(
        default=14,
        ge=1,
        le=365,
        strict=True,
        description="Number of days after which the last successful test restore (drill) is too "
        "old. Then `deploy status` and the reports show a warning.",
        examples=[14],
    )
    give: dict[Name, Size] = Field(
        default_factory=dict,
        description="Disk space that this region gives to peers for their backups. A peer can use "
        "this space as soon as it lists this region in its own `backup.to`.",
        examples=[{"andes": "50 GB"}],
    )
    give_on: Name | None = Field(
        default=None,
        description="Node that stores the backups of peers; by default, the first node.",
        examples=["bog1"],
    )

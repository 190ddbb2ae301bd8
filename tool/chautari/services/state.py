"""The state of a service: what a backup stores, and what a restore brings back.

Everything else on a node comes from the roles, the region's secrets and the releases, so a deploy
makes it again.
"""

from __future__ import annotations

from typing import NamedTuple


class Folder(NamedTuple):
    """A folder that is stored with everything in it.

    Attributes:
        path: its absolute path.
        exclude: shell patterns of paths below it that are left out, such as `cache` or `*.tmp`; a
            folder is left out with its content, and `*` also matches slashes.
        may_be_empty: whether it may be empty or missing. A backup fails if another folder is.
    """

    path: str
    exclude: tuple[str, ...] = ()
    may_be_empty: bool = False

    def as_object(self) -> dict[str, object]:
        """Return the folder as the settings of the node contain it."""
        return {
            "path": self.path,
            "exclude": list(self.exclude),
            "may_be_empty": self.may_be_empty,
        }


class State(NamedTuple):
    """What must survive the loss of a node. The databases are those of `Service.databases`.

    Attributes:
        folders: folders that are stored.
        files: single files that are stored; they may be missing.
        pause: command that makes the service stop writing; it may run twice.
        resume: command that lets it write again; it may run without a pause before.
        for_reading: folders and files that are stored for people to read, and never restored.
        reason: why nothing is stored, as the clause of a sentence; empty if something is.
        adapt: command that adapts a restored copy to this node before the switch. It gets an
            argument `LIVE=COPY` for each folder and file.
        after_restore: command that runs after the switch with the argument `restored`, or `undone`
            if the old data is back, and once more after `resume` with the argument `resumed`.
        units: systemd units that are stopped during the switch; a service with `pause` needs none.
        active_units: units that write data or send something without a request of a person. They
            are disabled on the old node when the service moves.
    """

    folders: tuple[Folder, ...] = ()
    files: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    for_reading: tuple[str, ...] = ()
    reason: str = ""
    adapt: tuple[str, ...] = ()
    after_restore: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    active_units: tuple[str, ...] = ()


# State of every node, whichever services run there. Host keys of SSH are not part of it: a copy
# of a node on another machine gets its own.
NODE_STATE = State(
    # Certificates and the account at the authority, which limits how many it issues in a week.
    folders=(Folder("/etc/letsencrypt", may_be_empty=True),),
    for_reading=(
        "/var/lib/chautari/receipts",
        "/var/lib/chautari/installed",
        "/var/lib/chautari/adopted",
    ),
)
NODE_STATE_NAME = "node"

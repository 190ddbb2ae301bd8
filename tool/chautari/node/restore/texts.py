"""The texts of a restore's steps and errors, for the control side and for mails from the node."""

from __future__ import annotations

from collections.abc import Mapping

from chautari.node.translation import N_, fill, translate, translate_detail

# In front of a code in the state file of backups, which has codes of its own.
PREFIX = "restore_"
Templates = Mapping[str, tuple[str, str]]
Texts = Mapping[str, str]
STEPS: Texts = {
    "wait": "waiting for a backup that is running",
    "choose": "choosing the archive",
    "copy": "reading the archive and checking the free space",
    "extract": "extracting files next to the live data",
    "load": "loading databases under new names",
    "compare": "comparing files and tables with the archive",
    "adapt": "adapting the restored settings to this node",
    "pause": "pausing the services",
    "switch": "exchanging the live data and the restored copy",
    "finish": "running the restore commands of the services",
    "resume": "resuming the services",
    "mark": "recording the result",
}
# What happened, and what to do.
_ERRORS: Templates = {
    "borg_missing": ("borg is not installed on this node.", "deploy the region first"),
    "repository_failed": (
        "The backups at {target} cannot be read: {message}",
        "check the target, or use another one with --from",
    ),
    "not_mounted": ("{mount} is not mounted.", "connect the disk and mount it at {mount}"),
    "no_archive": (
        "{target} has no backup of {node} from {time} or earlier.",
        "list the backups: deploy backup list REGION",
    ),
    "no_archives": ("{target} has no backup of {node}.", "use another target with --from"),
    "invalid_manifest": (
        "The archive {archive} cannot be used: {message}.",
        "choose an older archive with --at, or another target with --from",
    ),
    "other_node": (
        "The archive {archive} is a backup of {found}, not of {node}.",
        "choose another target with --from",
    ),
    "state_missing": (
        "The archive {archive} contains no {service}.",
        "choose another archive with --at, or another service with --service",
    ),
    "folder_missing": (
        "The archive {archive} contains no files from {path}.",
        "choose another archive with --at, or another target with --from",
    ),
    "dump_missing": (
        "The archive {archive} contains no copy of the database {database}.",
        "choose another archive with --at, or another target with --from",
    ),
    "no_room": (
        "The restore needs {needed} MB at {path}, which has {free} MB.",
        "delete what is not needed there, such as data that earlier restores kept: "
        "deploy restore REGION --clean",
    ),
    "no_space": ("The disk became full: {message}", "free some space and restore again"),
    "disk_error": ("A file cannot be written: {message}", "check the disk and restore again"),
    "unsafe_path": (
        "The archive contains the path {path}, which a restore must not write.",
        "choose another archive with --at",
    ),
    "unknown_owner": (
        "Files in the archive belong to the account {owner}, which this node does not have.",
        "deploy the region, so that the roles create their accounts, and restore again",
    ),
    "file_missing": (
        "The file {path} of the archive was not extracted.",
        "check the repository: deploy backup check REGION",
    ),
    "file_differs": (
        "The extracted file {path} differs from the archive.",
        "check the disk and the repository: deploy backup check REGION",
    ),
    "database_failed": (
        "The database server failed: {message}",
        "check that the server is running, and restore again",
    ),
    "owner_missing": (
        "The database account {owner} does not exist on this node.",
        "deploy the region, so that the roles create their accounts, and restore again",
    ),
    "database_missing": (
        "The database {database} does not exist on this node.",
        "deploy the region, so that the roles create their databases, and restore again",
    ),
    "dump_failed": (
        "The copy of the database {database} cannot be loaded: {message}",
        "choose another archive with --at; a dump of a newer release of the database needs a node "
        "with this release",
    ),
    "table_missing": (
        "The table {table} of the database {database} was not restored.",
        "choose another archive with --at",
    ),
    "table_unknown": (
        "The restored database {database} has the table {table}, which the archive does not list.",
        "choose another archive with --at",
    ),
    "rows_differ": (
        "The table {table} of the database {database} has {found} rows, the archive has "
        "{expected}.",
        "choose another archive with --at",
    ),
    "not_movable": (
        "The database {database} has views, triggers or routines, which cannot be moved.",
        "report this as a bug; no role creates them",
    ),
    "command_failed": (
        "The command {command} failed: {message}",
        "fix the cause on the node and restore again",
    ),
    "path_in_use": (
        "Both {path} and {aside} exist, so the live data was changed during the restore.",
        "compare these two on the node",
    ),
    "interrupted": (
        "The node restarted before the restored copy was complete.",
        "restore again",
    ),
    "busy": ("{operator} is deploying to this node.", "wait for it to finish, and restore again"),
    "pending": (
        "An earlier restore of this node is not finished.",
        "follow it: deploy restore REGION --follow --node NODE",
    ),
    "drill_checks_failed": (
        "The data was restored, but checks of the services failed.",
        "run the drill again with --keep, and inspect the containers",
    ),
    "crashed": ("This is a bug in Chautari: {message}", "report it with this message"),
}


def step_text(step: str) -> str:
    """Return what a step does."""
    return translate(STEPS.get(step, step))


def error_text(code: str, data: Mapping[str, object]) -> tuple[str, str]:
    """Return what happened, and what to do."""
    reason, fix = _ERRORS.get(code, (N_("The restore failed: {code}."), ""))
    known = {"message": translate_detail(str(data["message"]))} if "message" in data else {}
    values = _DataWithKeyNames(
        {key: _short_value_text(value) for key, value in {**data, **known}.items()}
    )
    values.setdefault("code", code)
    return fill(reason, values), fill(fix, values)


class _DataWithKeyNames(dict[str, str]):
    """Values of a text; a key that is missing is shown as it is called."""

    def __missing__(self, key: str) -> str:
        return key


def _short_value_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = " ".join(str(value).split())
    return text if len(text) <= 400 else f"{text[:400]} …"

"""Remove archives that are old, and what interrupted runs left in a repository."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chautari.node.backup import borg
from chautari.node.backup.errors import BackupError
from chautari.node.backup.settings import Keep, Settings, Target
from chautari.node.backup.state_file import HOME

FUTURE_SECONDS = 24 * 3600
_DATE = "????-??-??T??:??:??Z"


def prune_options(keep: Keep) -> list[str]:
    """Return the options of `borg prune`; none if everything is kept."""
    periods = {"daily": keep.daily, "weekly": keep.weekly, "monthly": keep.monthly}
    return [f"--keep-{period}={count}" for period, count in periods.items() if count]


def start_time_in_archive_name(archive: Mapping[str, Any]) -> float:
    """Return when an archive was begun, by its name, in seconds since 1970."""
    moment = str(archive["name"])[-20:]
    found = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")
    return found.replace(tzinfo=timezone.utc).timestamp()


def refuse_future_dates(archives: Sequence[Mapping[str, Any]], now: float) -> None:
    """Raise an error when an archive has a date in the future.

    Such archives would count as the newest ones, and the real ones would be removed as too many.
    """
    for archive in archives:
        dates = [start_time_in_archive_name(archive)]
        # borg counts by the time that the archive itself names.
        dates.append(datetime.fromisoformat(str(archive["start"])).timestamp())
        if max(dates) > now + FUTURE_SECONDS:
            raise BackupError("archive_from_future", archive=archive["name"])
        if abs(dates[0] - dates[1]) > FUTURE_SECONDS:
            raise BackupError("archive_date_differs", archive=archive["name"])


def prune_archives(
    settings: Settings,
    target: Target,
    archives: Sequence[Mapping[str, Any]],
    home: Path = HOME,
) -> None:
    """Remove what `keep` does not keep, and archives that are incomplete.

    Args:
        settings: of the node.
        target: whose archives to remove.
        archives: what the repository had when the backup began.
        home: folder of this program's own.
    """
    refuse_future_dates(
        [item for item in archives if borg.is_name_of_finished_archive(item["name"])], time.time()
    )
    if names := [
        item["name"] for item in archives if not borg.is_name_of_finished_archive(item["name"])
    ]:
        borg.run_borg(settings, target, "delete", "::", *names, home=home)
    if options := prune_options(settings.keep):
        pattern = f"{settings.node}-{_DATE}"
        borg.run_borg(settings, target, "prune", *options, "--glob-archives", pattern, home=home)
    if not target.append_only:
        # The peer does this itself for repositories that this node cannot empty.
        borg.run_borg(settings, target, "compact", home=home)

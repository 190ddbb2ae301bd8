"""The double of bbb-record: lists recordings, and takes them off the disk."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import recording_jobs, recordings

USAGE = """BigBlueButton Recording Utility (double)

   bbb-record [options]

   --list                       List all recordings
   --rebuild <internal meetingID>  Process a recording again
   --delete <internal meetingID>   Delete one meeting and recording
"""
OPTION = re.compile("--?(list|delete|rebuild)")
COLUMNS = (
    ("Internal MeetingID", 54),
    ("Time", 28),
    ("RASPP", 5),
    ("Processed", 20),
    ("Published", 18),
    ("External MeetingID", 18),
)
STEPS = ("recorded", "archived", "sanity", "processed", "published")


def main(words: Sequence[str]) -> int:
    """Run one option."""
    option = OPTION.fullmatch(words[0]) if words else None
    argument = words[1] if len(words) > 1 else ""
    if option and option[1] == "list":
        print(recordings_table(recordings.HOME))
        return 0
    if option is None or not argument:
        print(USAGE)
        return 1
    if os.geteuid():
        sys.exit("Need to be root to run this option")
    if not recordings.IDENTIFIER.fullmatch(argument):
        print(f"{argument} is not a valid meeting ID")
        return 1
    if option[1] == "delete":
        print(
            f"deleting: {argument}"
            if recording_jobs.delete_recording_files(argument)
            else f"{argument} was not found"
        )
        return 0
    return queue_recording_again(argument, recordings.HOME)


def queue_recording_again(identifier: str, home: Path) -> int:
    """Queue a recording once more."""
    if not (home / "recording/raw" / identifier).is_dir():
        print(f"No raw files for {identifier}")
        return 1
    recordings.mark_step_done(home, "recorded", f"{identifier}.done")
    print(f"Rebuild of {identifier} is queued")
    return 0


def recordings_table(home: Path) -> str:
    """Return the recordings with how far each has come, as upstream's table does."""
    raw = {folder.name for folder in (home / "recording/raw").glob("*") if folder.is_dir()}
    done = {
        item.identifier: item
        for item in recordings.stored_formats_of_recordings(home)
        if item.state != "deleted"
    }
    lines = [" ".join(name.ljust(width) for name, width in COLUMNS), "-" * 150]
    status = home / "recording/status"
    for name in sorted(raw | set(done), key=lambda item: item.rpartition("-")[2], reverse=True):
        marks = "".join(
            step[0].upper() if any((status / step).glob(f"{name}*.done")) else " " for step in STEPS
        )
        created = name.rpartition("-")[2]
        moment = time.gmtime(int(created) / 1000 if created.isdigit() else 0)
        kind = done[name].folder.parent.name if name in done else ""
        external = done[name].external_meeting_id if name in done else ""
        when = time.strftime("%a %b %d %H:%M:%S UTC %Y", moment)
        lines.append(f"{name}  {when} {marks:<5} {kind:<20} {kind:<18}  {external}")
    return "\n".join([*lines, ""])

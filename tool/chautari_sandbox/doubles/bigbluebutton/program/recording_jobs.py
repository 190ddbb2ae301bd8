"""Works recordings off: the starter queues them, workers take them through upstream's steps.

The queues lie in Redis, under Resque's names, one a step: those that no worker looks at grow.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import recordings, redis_client, settings

SendToRedis = Callable[..., redis_client.Reply]
Say = Callable[[str], None]
PREFIX = "resque:queue:"
QUEUES = "rap:archive,rap:publish,rap:process,rap:sanity,rap:captions,rap:events"
SCRIPTS = Path("/usr/local/bigbluebutton/core/scripts")


def recording_settings() -> dict[str, Any]:
    """Return the settings of recordings."""
    found = settings.read_with_overrides(settings.RECORD, settings.RECORD_OVER)
    if not isinstance(found.get("steps"), dict):
        raise settings.WrongSettings(f"{settings.RECORD_OVER}: steps is not a mapping")
    return found


def redis_sender(settings: Mapping[str, Any]) -> SendToRedis:
    """Return who asks Redis."""
    host = str(settings.get("redis_workers_host") or settings["redis_host"])
    port = int(settings.get("redis_workers_port") or settings["redis_port"])
    return lambda *words, wait=5: redis_client.send_command(host, port, *words, wait=wait)


def enqueue_step(step: str, identifier: str, ask: SendToRedis) -> None:
    """Queue one step of one recording."""
    name, _, kind = step.partition(":")
    words = {"meeting_id": identifier, **({"format_name": kind} if kind else {})}
    job = {"class": f"BigBlueButton::Resque::{name.capitalize()}Worker", "args": [words]}
    ask("SADD", "resque:queues", f"rap:{name}")
    ask("RPUSH", f"{PREFIX}rap:{name}", json.dumps(job))


def enqueue_recorded_meetings(home: Path, ask: SendToRedis) -> list[str]:
    """Queue what has been recorded."""
    marks = sorted((home / "recording/status/recorded").glob("*.done"))
    for mark in marks:
        enqueue_step("archive", mark.stem, ask)
        mark.unlink()
    return [mark.stem for mark in marks]


def following_steps(steps: Mapping[str, Any], step: str) -> list[str]:
    """Return the steps that come after one."""
    after = steps.get(step, [])
    return [after] if isinstance(after, str) else list(after)


def process_step(step: str, identifier: str, settings: Mapping[str, Any], home: Path) -> list[str]:
    """Do one step of one recording; return those that come next."""
    raw = home / "recording/raw" / identifier
    name, _, kind = step.partition(":")
    if name == "archive" and ET.parse(raw / "events.xml").getroot().find("event") is None:
        recordings.mark_step_done(home, "archived", f"{identifier}.norecord")
        return []
    if name == "process":
        recordings.mark_step_done(home, "processed", f"{identifier}-{kind}.done")
    elif name == "publish":
        url = f"{settings['playback_protocol']}://{settings['playback_host']}"
        recordings.write_published_recording(identifier, kind, url, home)
        recordings.mark_step_done(home, "published", f"{identifier}-{kind}.done")
        run_post_publish_scripts(identifier, kind)
    else:
        folder = {"archive": "archived"}.get(name, name)
        recordings.mark_step_done(home, folder, f"{identifier}.done")
    return following_steps(settings["steps"], step)


def run_post_publish_scripts(identifier: str, kind: str) -> None:
    """Run what an operator wants done with a published recording."""
    for script in sorted((SCRIPTS / "post_publish").glob("*.rb")):
        subprocess.run(["ruby", str(script), "-m", identifier, "-f", kind], check=False)


def take_next_job(queues: list[str], patient: bool, ask: SendToRedis) -> tuple[str, str] | None:
    """Return the next step and its recording; a patient worker waits a little for one."""
    for queue in queues:
        found = ask("LPOP", f"{PREFIX}{queue}")
        if isinstance(found, str):
            job = json.loads(found)["args"][0]
            kind = job.get("format_name", "")
            step = queue.removeprefix("rap:")
            return (f"{step}:{kind}" if kind else step), job["meeting_id"]
    if patient:
        time.sleep(2)
    return None


def run_starter(ready: Say, home: Path = recordings.HOME) -> None:
    """Be the starter, until the end."""
    ask = redis_sender(recording_settings())
    ready("double of bbb-rap-starter")
    while True:
        for identifier in enqueue_recorded_meetings(home, ask):
            print(f"queued {identifier}")
        time.sleep(2)


def run_worker(ready: Say, home: Path = recordings.HOME) -> None:
    """Be a worker: until it is told to quit, or with INTERVAL=0 until there is nothing to do."""
    found = recording_settings()
    ask = redis_sender(found)
    queues = [name.strip() for name in os.environ.get("QUEUE", QUEUES).split(",")]
    patient = os.environ.get("INTERVAL") != "0"
    quitting: list[int] = []
    signal.signal(signal.SIGQUIT, lambda number, frame: quitting.append(number))
    ready(f"double of bbb-rap-resque-worker: {','.join(queues)}")
    while not quitting:
        job = take_next_job(queues, patient, ask)
        if job is None and not patient:
            return
        if job is not None:
            process_step_and_enqueue_following(*job, found, home, ask)


def process_step_and_enqueue_following(
    step: str, identifier: str, settings: Mapping[str, Any], home: Path, ask: SendToRedis
) -> None:
    """Do one step and queue those that follow; one that fails is marked."""
    try:
        for following in process_step(step, identifier, settings, home):
            enqueue_step(following, identifier, ask)
        print(f"{identifier}: {step}")
    except (OSError, ET.ParseError) as error:
        recordings.mark_step_done(home, "failed", f"{identifier}.fail", f"{error}\n")
        print(f"{identifier}: {step}: {error}")


def delete_recording_files(identifier: str, home: Path = recordings.HOME) -> bool:
    """Take everything of one recording off the disk."""
    folders = [home / "recording/raw" / identifier]
    for state in recordings.STATES:
        folders += (home / state).glob(f"*/{identifier}")
    marks = (home / "recording/status").glob(f"*/{identifier}*")
    found = False
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
            found = True
    for mark in list(marks):
        mark.unlink()
        found = True
    return found

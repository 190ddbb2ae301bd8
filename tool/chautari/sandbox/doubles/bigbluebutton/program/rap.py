"""Works recordings off: the starter queues them, the worker takes them through upstream's steps.

The queue lies in Redis, under Resque's names: it grows while the worker is stopped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import recordings, redis, settings

Ask = Callable[..., redis.Reply]
QUEUE = "resque:queue:rap:archive"
JOB = "BigBlueButton::Resque::ArchiveWorker"
SCRIPTS = Path("/usr/local/bigbluebutton/core/scripts")


def config() -> dict[str, Any]:
    """Return the settings of recordings."""
    found = settings.tree(settings.RECORD, settings.RECORD_OVER)
    if not isinstance(found.get("steps"), dict):
        raise settings.WrongSettings(f"{settings.RECORD_OVER}: steps is no mapping")
    return found


def asker(found: Mapping[str, Any]) -> Ask:
    """Return who asks Redis."""
    host = str(found.get("redis_workers_host") or found["redis_host"])
    port = int(found.get("redis_workers_port") or found["redis_port"])
    return lambda *words, wait=5: redis.ask(host, port, *words, wait=wait)


def enqueue(home: Path, ask: Ask) -> list[str]:
    """Queue what has been recorded."""
    queued = []
    for mark in sorted((home / "recording/status/recorded").glob("*.done")):
        job = json.dumps({"class": JOB, "args": [{"meeting_id": mark.stem}]})
        ask("SADD", "resque:queues", "rap:archive")
        ask("RPUSH", QUEUE, job)
        mark.unlink()
        queued.append(mark.stem)
    return queued


def follow(steps: Mapping[str, Any], step: str) -> list[str]:
    """Return the steps that come after one."""
    after = steps.get(step, [])
    return [after] if isinstance(after, str) else list(after)


def work(identifier: str, found: Mapping[str, Any], home: Path) -> list[str]:
    """Take one recording through all its steps; return them."""
    url = f"{found['playback_protocol']}://{found['playback_host']}"
    raw = home / "recording/raw" / identifier
    if ET.parse(raw / "events.xml").getroot().find("event") is None:
        recordings.mark_done(home, "archived", f"{identifier}.norecord")
        return ["archive"]
    done, waiting = [], ["archive"]
    while waiting:
        step = waiting.pop(0)
        name, _, kind = step.partition(":")
        if name == "process":
            recordings.mark_done(home, "processed", f"{identifier}-{kind}.done")
        elif name == "publish":
            recordings.publish(identifier, kind, url, home)
            recordings.mark_done(home, "published", f"{identifier}-{kind}.done")
            after(identifier, kind)
        else:
            folder = {"archive": "archived"}.get(name, name)
            recordings.mark_done(home, folder, f"{identifier}.done")
        done.append(step)
        waiting += follow(found["steps"], step)
    return done


def after(identifier: str, kind: str) -> None:
    """Run what an operator wants done with a published recording."""
    for script in sorted((SCRIPTS / "post_publish").glob("*.rb")):
        subprocess.run(["ruby", str(script), "-m", identifier, "-f", kind], check=False)


def start(ready: Callable[[str], None], home: Path = recordings.HOME) -> None:
    """Be the starter, until the end."""
    ask = asker(config())
    ready("double of bbb-rap-starter")
    while True:
        for identifier in enqueue(home, ask):
            print(f"queued {identifier}")
        time.sleep(2)


def toil(ready: Callable[[str], None], home: Path = recordings.HOME) -> None:
    """Be the worker, until the end."""
    found = config()
    ask = asker(found)
    ready("double of bbb-rap-resque-worker")
    while True:
        got = ask("BLPOP", QUEUE, "20", wait=30)
        if isinstance(got, list):
            identifier = json.loads(str(got[1]))["args"][0]["meeting_id"]
            try:
                print(f"{identifier}: {' '.join(work(identifier, found, home))}")
            except (OSError, ET.ParseError) as error:
                recordings.mark_done(home, "failed", f"{identifier}.fail", f"{error}\n")
                print(f"{identifier}: {error}")


def delete(identifier: str, home: Path = recordings.HOME) -> bool:
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

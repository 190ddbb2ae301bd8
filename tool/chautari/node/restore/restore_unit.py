"""Start a restore as a systemd unit of its own, follow it, and list earlier ones.

The code arrives over SSH with the request. It is installed for the unit, so that a restore that is
killed is completed or undone by the same code, also after the node restarted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chautari.node import audit_log, process_ancestry

STATE = Path("/var/lib/chautari/restore")
MEMORY = Path("/run/chautari-restore")
UNIT = "chautari-restore.service"
UNIT_FILE = Path("/etc/systemd/system") / UNIT
POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15
UNIT_TEXT = """\
# Written by deploy restore; deleted when the restore is finished.
[Unit]
Description=Restore of a backup
After=network-online.target postgresql.service mariadb.service redis-server.service
Wants=network-online.target
ConditionPathExists={state}/journal.json
StartLimitIntervalSec=600
StartLimitBurst=20

[Service]
Type=exec
ExecStart={python} -I -c {code}
Environment=LANG=C.UTF-8
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
"""
CODE = (
    "\"import sys\\nsys.path.insert(0, '{program}')\\n"
    'from chautari.node.restore import program\\nsys.exit(program.main())"'
)


def start_restore_unit(
    payload: Mapping[str, Any], holder: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Install the code, write the journal and start the unit; return the answer."""
    if holder:
        code = "pending" if (STATE / "journal.json").exists() else "busy"
        operator = str(holder.get("operator", ""))
        return _refused_answer(code, operator=operator or "another operator")
    if (STATE / "journal.json").exists():
        return _refused_answer("pending")
    STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    _install_restore_modules(payload["modules"])
    _write_access_in_memory(payload["access"])
    (STATE / "progress.jsonl").write_text("")
    about = payload["journal"]["request"]["about"]
    _write_private_file(STATE / "holder.json", json.dumps({**about, "mode": "restore"}))
    _write_private_file(STATE / "journal.json", json.dumps(payload["journal"]))
    os.sync()
    audit_log.record("restore", about, process_ancestry.own_and_ancestor_pids())
    code = CODE.format(program=STATE / "program")
    UNIT_FILE.write_text(UNIT_TEXT.format(state=STATE, python=sys.executable, code=code))
    for command in (["daemon-reload"], ["enable", "--quiet", UNIT], ["restart", UNIT]):
        done = subprocess.run(["systemctl", *command], capture_output=True)
        if done.returncode:
            (STATE / "journal.json").unlink()
            shutil.rmtree(MEMORY, ignore_errors=True)
            message = done.stderr.decode(errors="replace").strip()
            return _refused_answer("crashed", message=f"{UNIT}: {message}")
    return {"event": "restore_start", "error": None}


def _refused_answer(code: str, **data: str) -> dict[str, Any]:
    return {"event": "restore_start", "error": {"code": code, "data": data}}


def _install_restore_modules(modules: Mapping[str, str]) -> None:
    """Install the modules; the code of an earlier restore is replaced."""
    program = STATE / "program"
    shutil.rmtree(program, ignore_errors=True)
    packages = {name.rpartition(".")[0] for name in modules}
    for name, source in modules.items():
        path = program.joinpath(*name.split("."))
        file = path / "__init__.py" if name in packages else path.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(source)


def _write_access_in_memory(access: Mapping[str, str]) -> None:
    """Keep passphrase and login key in memory only."""
    shutil.rmtree(MEMORY, ignore_errors=True)
    MEMORY.mkdir(mode=0o700)
    for name in ("passphrase", "login_key", "known_hosts"):
        _write_private_file(MEMORY / name, access[name])


def _write_private_file(file: Path, content: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(handle)


def print_events_until_finished(offset: int) -> int:
    """Print the events of the newest restore from byte `offset` on, until it is finished.

    Each event gets an `offset`, from which another connection can go on.
    """
    file, heard = STATE / "progress.jsonl", time.monotonic()
    while True:
        pending = (STATE / "journal.json").exists()
        with file.open("rb") as stream:
            stream.seek(offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                offset, heard = offset + len(line), time.monotonic()
                print(json.dumps({**json.loads(line), "offset": offset}), flush=True)
        if not pending:
            print(json.dumps({"event": "ended", "offset": offset}), flush=True)
            return 0
        if time.monotonic() - heard > HEARTBEAT_SECONDS:
            heard = time.monotonic()
            failed = subprocess.run(["systemctl", "is-failed", "--quiet", UNIT]).returncode == 0
            event = "gave_up" if failed else "heartbeat"
            print(json.dumps({"event": event, "offset": offset}), flush=True)
            if failed:
                return 1
        time.sleep(POLL_SECONDS)


def remove_unit() -> None:
    """Remove the unit of a restore that is finished; it runs to its end."""
    subprocess.run(["systemctl", "disable", "--quiet", UNIT], capture_output=True)
    UNIT_FILE.unlink(missing_ok=True)
    (STATE / "holder.json").unlink(missing_ok=True)
    subprocess.run(["systemctl", "daemon-reload"], capture_output=True)


def earlier_restore_results() -> dict[str, Any]:
    """Return the results of earlier restores, and whether one is not finished."""
    files = sorted((STATE / "history").glob("*.json"))
    return {
        "event": "restore_results",
        "pending": (STATE / "journal.json").exists(),
        "results": [json.loads(file.read_bytes()) for file in files],
    }

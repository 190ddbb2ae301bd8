"""Run commands on hostile input, each case in a process of its own, and print what came of it.

hostile_runner.py FOLDER files|answers FIRST COUNT

One JSON line a case: its label, exit codes, output, largest memory in MB, and seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_files
from region_samples import key_pair

SECONDS = 60  # that the commands of one case may take
Outcome = dict[str, Any]


def run_case(folder: Path, work: Callable[[], list[int]]) -> Outcome:
    """Do the work in a child process; return its exit codes, its output and its memory."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_in_child(folder, work)
    _, status = os.waitpid(child, 0)
    result = folder / "result.json"
    found: Outcome = json.loads(result.read_text()) if result.exists() else {"codes": [], "mb": 0}
    found |= {"status": status, "seconds": round(time.monotonic() - began, 1)}
    for name in ("stdout", "stderr"):
        found[name] = (folder / name).read_bytes().decode("utf-8", "backslashreplace")
    return found


def _run_in_child(folder: Path, work: Callable[[], list[int]]) -> None:
    signal.alarm(SECONDS)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    (folder / "stdin").write_text("another-long-password\n")
    os.dup2(os.open(folder / "stdin", os.O_RDONLY), 0)
    Path("/proc/self/clear_refs").write_text("5")  # begin a new peak of memory
    try:
        codes = work()
        sys.stdout.flush()
        sys.stderr.flush()
        peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
        found = {"codes": codes, "mb": int(peak.split()[1]) // 1024}
        (folder / "result.json").write_text(json.dumps(found))
    except BaseException:
        traceback.print_exc()  # the test reports a case without a result, with this
    finally:
        os._exit(0)


def try_files(folder: Path, number: int) -> Outcome:
    """Run every command that reads the region's files, with one of them hostile."""
    from chautari.cli.main import run

    place, canary = folder / str(number), folder / "canary"
    region = place / "inventories" / "andes"
    region.mkdir(parents=True)
    key = (folder / "ana.pub").read_text()
    (region / "region.yml").write_text(hostile_files.region(key))
    (region / "artifacts.lock").write_text(hostile_files.LOCK)
    case = hostile_files.case(number, canary, key)
    (region / case.file).write_bytes(case.content)
    os.environ |= {
        "CHAUTARI_INVENTORIES": str(region.parent), "XDG_STATE_HOME": str(place / "state"),
        "HOME": str(place), "TMPDIR": str(place),
        # No case may reach a machine.
        "PATH": f"{folder / 'programs'}:{os.environ['PATH']}",
    }  # fmt: skip
    secrets = ["--identity", str(folder / "ana")]
    commands = [
        ["validate", "andes"], ["validate", "andes", "--json"],
        ["move", "andes", "bigbluebutton", "--to", "bbb2", "--release", "3.0"],
        ["status", "andes"], ["drift", "andes"],
        ["render", "andes", "-o", str(place / "out"), "--no-secrets"],
    ]  # fmt: skip
    if case.file == "secrets.age":
        commands = [
            ["secrets", "show", "andes", "mail_relay_password", *secrets],
            ["secrets", "set", "andes", "mail_relay_password", *secrets],
            ["render", "andes", "-o", str(place / "out"), *secrets],
        ]  # fmt: skip
    found = run_case(place, lambda: [run(command) for command in commands])
    written = [file for file in place.rglob("*") if file.is_file() and "state" in file.parts]
    found["written"] = {
        file.name: file.read_bytes().decode("utf-8", "backslashreplace") for file in written
    }
    return {"number": number, "label": f"{case.file}: {case.label}", **found}


def main(folder: Path, kind: str, first: int, count: int) -> None:
    """Try the cases from `first` on, and print what came of each."""
    public = key_pair(folder, "ana")
    (folder / "ana.pub").write_text(" ".join(public.split()[:2]))
    programs = folder / "programs"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text("#!/bin/sh\nprintf '\\033]0;title\\007Permission denied\\n' >&2\nexit 255\n")
    ssh.chmod(0o755)
    if kind == "answers":
        import hostile_nodes

        hostile_nodes.write_secrets(folder)
        from chautari.cli import attach, drift, plan, region, status, verify  # noqa: F401

        try_case: Callable[[Path, int], Outcome] = hostile_nodes.try_answers
    else:
        # Imported once, so that each child starts with them.
        from chautari.cli import drift, move, render, secrets, status, validate  # noqa: F401

        try_case = try_files
    for number in range(first, first + count):
        print(json.dumps(try_case(folder, number)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

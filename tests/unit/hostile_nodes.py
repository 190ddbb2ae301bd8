"""Nodes that a fault or an attacker could make of a real one.

`bog1` answers hostile things, `med1` answers as a node does on which all is well. Each number
stands for one case, the same on every machine.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile_files import payloads
from hostile_runner import Outcome, run_case
from region_samples import REGION, load_sample_region

from chautari.prepare.child_process import node_requirements_digest
from chautari.secrets.completion import load_and_complete_secrets

Data = dict[str, Any]
COMMANDS = (["status"], ["drift"], ["attach"], ["plan"], ["verify"], ["region", "--no-checks"])
NODES = REGION.replace("med1: {{", "med1: {{os: debian-12, ")
# Prints the answer that the test wrote for the action, or without end, and leaves as it says.
NODE = """
import base64, json, sys, time
name, command, folder = sys.argv[1:]
action = json.loads(base64.b64decode(command.split()[-1]))["action"]
case = json.load(open(f"{folder}/{name}.json"))
sys.stderr.buffer.write(bytes.fromhex(case["stderr"]))
out = sys.stdout.buffer
out.write(bytes.fromhex(case["answers"].get(action, "")))
while case["endless"]:
    out.write(bytes.fromhex(case["endless"]))
out.flush()
sys.exit(case["code"])
"""


def facts(**changed: Any) -> list[str]:
    values = {
        "os": "debian-12", "machine": "x86_64", "uid": 0, "now": int(time.time()),
        "init": "systemd", "memory_kb": 4_000_000, "venv": node_requirements_digest(),
        "free_kb:/": 90_000_000, "free_inodes:/": 900_000,
    } | changed  # fmt: skip
    return [f"{key}={value}" for key, value in values.items()]


def good_answers() -> dict[str, list[Data]]:
    """Return the events of a node on which one role runs and all goes well, by action."""
    holder = {"run": "20261129T101500-abcdef", "operator": "luz", "origin": "x", "role": "base",
              "since": 1.0}  # fmt: skip
    reason = {"code": "path_changed", "data": {"path": "/etc/x", "content": True}}
    finished = {"event": "run_finished", "ok": True, "seconds": 1.0, "offset": 99}
    counts = {"ok": 3, "changed": 2, "failed": 0, "skipped": 1, "rescued": 0, "seconds": 1.5}
    run = [
        {"event": "run_started", "run": "20261129T101500-abcdef", "mode": "deploy", "offset": 10},
        {"event": "roles_selected", "roles": {"base": [reason]}, "pass_number": 0},
        {"event": "role_started", "role": "base"},
        {"event": "task", "role": "base", "task": "Set up", "status": "changed", "seconds": 0.1},
        {"event": "role_finished", "role": "base", **counts},
        {"event": "role_message", "role": "base", "text": "all is well"},
        {"event": "role_up_to_date", "role": "mail", "run": "r", "notices": []},
        {"event": "download_estimate", "bytes": 5, "unknown_urls": [], "unknown_packages": [],
         "partial": False, "packages": 5},
        {"event": "check", "side": "inside", "node": "bog1", "service": "base", "check": "test_x",
         "outcome": "passed", "title": "X", "seconds": 0.1, "message": "", "advice": "",
         "units": [], "journal": []},
        finished,
    ]  # fmt: skip
    return {
        "survey": [{"event": "survey", "facts": facts(), "busy": None,
                    "reasons": {"base": [reason]}, "obsolete_roles": [], "up_to_date": []}],
        "status": [{"event": "status", "busy": None, "run": "20261129T101500-abcdef",
                    "runs": ["20261129T101500-abcdef"], "finished": finished, "about": holder}],
        "drift": [{"event": "drift", "roles": {}, "deployed": 1.0, "known": 3, "busy": None}],
        "activity": [{"event": "activity", "busy": None}],
        "start": run,
        "attach": run,
    }  # fmt: skip


def hostile_case(number: int, canary: Path) -> tuple[str, Data]:
    """Return what is wrong, and what the hostile node prints."""
    choose = random.Random(number)
    ways: list[Callable[[random.Random, Path], tuple[str, Data]]] = [
        _wrong_values, _wrong_values, _wrong_values, _wrong_bytes, _wrong_order, _other_endings,
    ]  # fmt: skip
    return ways[number % len(ways)](choose, canary)


def _case(answers: dict[str, bytes], **more: Any) -> Data:
    case = {"answers": {action: text.hex() for action, text in answers.items()}}
    return case | {"stderr": "", "endless": "", "code": 0} | more


def lines(events: list[Data]) -> bytes:
    return b"\n" + b"".join(json.dumps(event).encode() + b"\n" for event in events)


def good_case() -> Data:
    return _case({action: lines(events) for action, events in good_answers().items()})


def _wrong_values(choose: random.Random, canary: Path) -> tuple[str, Data]:
    """Replace a few values anywhere in the answers, also by what no JSON parser should take."""
    marker = "\ue000value\ue000"
    raw = [
        "NaN", "Infinity", "-Infinity", "1e18", "1e999", "-1", "9" * 4301, "1.5e308", "true",
        "null", "[]", "{}", "[" * 5000 + "]" * 5000, '{"a":' * 900 + "1" + "}" * 900, "5", '"x"',
        "[" + ",".join(["[]"] * 20_000) + "]", '"' + "x" * 300_000 + '"', "01", "'x'", '"\\ud800"',
        '{"a": 1, "a": 2}', *map(json.dumps, payloads(canary)), *map(json.dumps, payloads(canary)),
    ]  # fmt: skip
    answers = {}
    value = choose.choice(raw)
    for action, events in good_answers().items():
        text = lines([_with_marker(event, marker, choose) for event in events])
        answers[action] = text.replace(json.dumps(marker).encode(), value.encode())
    return f"value {value[:40]!r}", _case(answers)


def _with_marker(data: Any, marker: str, choose: random.Random) -> Any:
    """Return JSON data in which some values are replaced; never the name of an event."""
    if isinstance(data, dict):
        return {
            (marker if key not in ("event", "code") and choose.random() < 0.03 else key): (
                value if key == "event" else _with_marker(value, marker, choose)
            )
            for key, value in data.items()
        }
    if isinstance(data, list) and data:
        return [_with_marker(item, marker, choose) for item in data]
    return marker if choose.random() < 0.25 else data


def _wrong_bytes(choose: random.Random, canary: Path) -> tuple[str, Data]:
    def spoil(text: bytes) -> bytes:
        place = choose.randrange(len(text))
        return {
            "cut": text[:place], "NUL": text[:place] + b"\0" + text[place:],
            "invalid UTF-8": text[:place] + b"\xff\xfe" + text[place:],
            "byte-order mark": b"\xef\xbb\xbf" + text, "UTF-16": text.decode().encode("utf-16"),
            "CRLF": text.replace(b"\n", b"\r\n"), "CR": text.replace(b"\n", b"\r"),
            "no end of line": text.rstrip(b"\n"), "random": choose.randbytes(4000),
            "controls": b"\x1b]0;x\x07\x1b[2J\n" + text + b"\x9b31m\xe2\x80\xae\n",
            "greeting": b"os=windows\n{\"event\": 5}\n[]\n" + text, "nothing": b"",
            "duplicate keys": text.replace(b'"event"', b'"event": "busy", "event"'),
            "one line": text.replace(b"\n", b""), "a long line": b"x" * 900_000 + b"\n" + text,
        }[way]  # fmt: skip

    way = choose.choice(
        ["cut", "NUL", "invalid UTF-8", "byte-order mark", "UTF-16", "CRLF", "CR", "no end of line",
         "random", "controls", "greeting", "nothing", "duplicate keys", "one line", "a long line"]
    )  # fmt: skip
    answers = {action: spoil(lines(events)) for action, events in good_answers().items()}
    return f"bytes: {way}", _case(answers)


def _wrong_order(choose: random.Random, canary: Path) -> tuple[str, Data]:
    """Shuffle and repeat events, and speak about other nodes and paths outside of any folder."""
    answers = {}
    for action, events in good_answers().items():
        about_others = {"node": "med1", "side": "outside", "service": "../../../etc",
                        "role": "../x", "check": "test_x[../../..]", "outcome": "failed",
                        "offset": -5, "run": "../../../tmp/x", "advice": f"touch {canary}",
                        "message": "\x1b]0;x\x07"}  # fmt: skip
        some = {key: value for key, value in about_others.items() if choose.random() < 0.5}
        spoilt = [event | {k: v for k, v in some.items() if k in event} for event in events]
        spoilt = spoilt * choose.randint(1, 40) + [
            {"event": "busy", "holder": {"operator": "\x1b[2J"}}
        ]
        choose.shuffle(spoilt)
        answers[action] = lines(spoilt)
    return "events out of order, about others", _case(answers)


def _other_endings(choose: random.Random, canary: Path) -> tuple[str, Data]:
    good = {action: lines(events) for action, events in good_answers().items()}
    flood = choose.choice([b"x" * 65536, b'{"event": "task"}\n' * 900, b"\n" * 9000,
                           json.dumps({"event": "role_message", "role": "a", "text": "x" * 900})
                           .encode() + b"\n"])  # fmt: skip
    osc = b"\x1b]0;x\x07Permission denied (publickey).\n\xff\xfe" * choose.choice([1, 20_000])
    login = f'Please login as the user "{choose.choice(payloads(canary)[:9])}" rather than root.\n'
    return choose.choice([
        ("an endless answer", _case(good, endless=flood.hex())),
        ("only an endless answer", _case({}, endless=flood.hex())),
        ("an error in place of an answer", _case({}, stderr=osc.hex(), code=255)),
        ("an error after an answer", _case(good, stderr=osc.hex(), code=1)),
        ("no Python", _case({}, stderr=b"sh: python3: not found".hex(), code=127)),
        ("another login", _case({action: login.encode() for action in good}, code=142)),
        ("a signal", _case(good, code=137)),
    ])  # fmt: skip


def write_secrets(folder: Path) -> None:
    """Generate the region's secrets once, for all cases."""
    key = (folder / "ana.pub").read_text()
    found = load_sample_region(folder, NODES, key)
    load_and_complete_secrets(
        found, [folder / "ana"], {"mail_relay_password": "some-long-password"}
    )


def try_answers(folder: Path, number: int) -> Outcome:
    """Run one command on both nodes, and return what came of it."""
    place, canary = folder / str(number), folder / "canary"
    region = place / "inventories" / "andes"
    region.mkdir(parents=True)
    (region / "region.yml").write_text(NODES.format(key=(folder / "ana.pub").read_text()))
    shutil.copy(folder / "andes" / "secrets.age", region)
    (region / "known_hosts").write_text("203.0.113.10 k\n203.0.113.11 k\n")
    label, case = hostile_case(number, canary)
    (place / "bog1.json").write_text(json.dumps(case))
    (place / "med1.json").write_text(json.dumps(good_case()))
    command = COMMANDS[number // 6 % len(COMMANDS)]
    options = [] if command[0] in ("status", "drift") else ["--identity", str(folder / "ana")]
    os.environ |= {
        "CHAUTARI_INVENTORIES": str(region.parent), "XDG_STATE_HOME": str(place / "state"),
        "HOME": str(place), "TMPDIR": str(place),
    }  # fmt: skip
    runs = [[command[0], "andes", *command[1:], *options, *more] for more in ([], ["--json"])]
    found = run_case(place, lambda: _run_on_fake_nodes(place, runs))
    files = [file for file in (place / "state").rglob("*") if file.is_file()]
    found["written"] = {
        file.name: file.read_bytes().decode("utf-8", "backslashreplace")
        for file in files
        if "templates" not in file.parts
    }
    return {"number": number, "label": f"{command[0]}: {label}", **found}


def _run_on_fake_nodes(place: Path, commands: list[list[str]]) -> list[int]:
    """Run the commands; a process takes the place of SSH, and nothing is prepared or looked up."""
    from chautari.cli.main import run
    from chautari.deploy import node_run, outside_checks, remote_run
    from chautari.report.model import NodeReport
    from chautari.ssh import account_fallback, runner_client

    def prepare(region: Any, targets: Any, *_: Any) -> dict[str, NodeReport]:
        return {item.name: NodeReport(item.name, item.address, "unreachable") for item in targets}

    def argv(target: Any, command: str) -> tuple[str, ...]:
        return (sys.executable, "-S", "-c", NODE, target.name, command, str(place))

    changes: list[tuple[Any, str, Any]] = [
        (runner_client, "ssh_argv", argv), (account_fallback, "ssh_argv", argv),
        (node_run, "run_preflight_and_prepare", prepare),
        (outside_checks, "run_outside_checks", lambda *_: []),
        (remote_run, "PAUSES", (0,)), (remote_run, "MAX_OUTAGE_SECONDS", 0),
        (remote_run, "WAIT_SECONDS", 0),
    ]  # fmt: skip
    for module, name, value in changes:
        assert hasattr(module, name), name
        setattr(module, name, value)
    return [run(command) for command in commands]

"""A nightly backup and a restore of a node, compared with bare borg on the same data.

The other node stores both repositories. Both contestants use the same SSH server, key, options and
priority: the timer would give ours a lower one. `CHAUTARI_BENCH_GB` sets the size of the data.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path

from benchmarks.lab import Lab
from benchmarks.measure import (
    BenchError,
    Command,
    Figure,
    Sample,
    at_most,
    at_most_times,
    cpu,
    figure,
    memory,
    once,
    seconds,
)

NODE, KEEPER = "cloud", "ground"
ACCOUNT = "keeper"
GIGABYTES = float(os.environ.get("CHAUTARI_BENCH_GB", "10"))
BACKUP_FACTOR, RESTORE_FACTOR = 1.2, 1.3
PAUSE_SECONDS = 5
BACKUP_ROUNDS = 5
# What takes many minutes is measured once.
RESTORE_ROUNDS = 1 if GIGABYTES > 4 else 3
BARE_BACKUP = "bare pg_dump, borg create, prune and compact"
BARE_RESTORE = "bare borg list, extract, createdb and pg_restore"
STATE = "/var/lib/chautari/backup/state.json"
DATA_PROGRAM = Path(__file__).with_name("backup_data.py")
BARE_PROGRAM = Path(__file__).with_name("backup_bare.sh")


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Back up by turns what changed by one per cent, then restore."""
    began = time.monotonic()
    _deploy_with_backup(lab)
    print(f"  (deployed in {time.monotonic() - began:.0f} s; now making {GIGABYTES:g} GB of data)")
    once(_data(lab, "make", int(GIGABYTES * 1e9)))
    size, loads = f"{GIGABYTES:g} GB", [_load()]
    first = {name: measured(run) for name, run in _backups(lab, "first").items()}
    print(f"  first backup: {', '.join(_told(*item) for item in first.items())}")
    ours, bare, paused = _nightly(lab, rounds, loads)
    restored, extracted, unavailable = _restores(lab, loads)
    note = f"the machine's load was {min(loads):.0f} to {max(loads):.0f}"
    night = f"a nightly backup of {size}"
    return [
        figure(
            f"first backup of {size}", [first["ours"].seconds], [first["bare"].seconds],
            against=BARE_BACKUP, note=note,
        ),
        figure(
            f"nightly backup of {size}, 1 % changed", seconds(ours), seconds(bare),
            goal=at_most_times(BACKUP_FACTOR), against=BARE_BACKUP, note=note,
        ),
        figure(
            f"processor time of {night}", cpu(ours), cpu(bare),
            goal=at_most_times(BACKUP_FACTOR), against=BARE_BACKUP,
            note="depends less on the load of the machine",
        ),
        figure(
            f"largest process of {night}", memory(ours), memory(bare), unit="MB",
            against=BARE_BACKUP,
        ),
        figure(
            "services paused in a nightly backup", paused, goal=at_most(PAUSE_SECONDS, "s")
        ),
        figure(
            f"restore of {size}", seconds(restored), seconds(extracted),
            goal=at_most_times(RESTORE_FACTOR), against=BARE_RESTORE,
            note=f"ours also compares everything; {note}",
        ),
        figure(
            f"processor time of a restore of {size}", cpu(restored), cpu(extracted),
            goal=at_most_times(RESTORE_FACTOR), against=BARE_RESTORE,
            note="depends less on the load of the machine",
        ),
        figure(
            f"largest process of a restore of {size}", memory(restored), memory(extracted),
            unit="MB", against=BARE_RESTORE,
        ),
        figure("services paused in a restore", unavailable),
    ]  # fmt: skip


def _nightly(
    lab: Lab, rounds: int, loads: list[float]
) -> tuple[list[Sample], list[Sample], list[float]]:
    found: dict[str, list[Sample]] = {"ours": [], "bare": []}
    paused = []
    for turn in range(min(rounds, BACKUP_ROUNDS)):
        once(_data(lab, "change", turn))
        contestants = list(_backups(lab, f"night{turn}").items())
        for name, command in contestants if turn % 2 else reversed(contestants):
            loads.append(_load())
            found[name].append(measured(command))
        paused.append(float(_state(lab)["paused_seconds"]))
        told = ", ".join(_told(name, samples[-1]) for name, samples in found.items())
        print(f"  round {turn + 1}: {told}; services paused {paused[-1]:.1f} s")
    return found["ours"], found["bare"], paused


def _restores(lab: Lab, loads: list[float]) -> tuple[list[Sample], list[Sample], list[float]]:
    """Return what the node's restores and those with bare borg took, and the pauses."""
    ours, bare, paused = [], [], []
    for turn in range(RESTORE_ROUNDS):
        loads.append(_load())
        bare.append(measured(_bare(lab, "restore")))
        once(_bare(lab, "clean"))
        loads.append(_load())
        restore = lab.command("restore", str(lab.region), "--node", NODE, "--yes", "--json")
        began = time.time()
        sample = once(restore)
        [outcome] = json.loads(sample.stdout)["restores"]
        result = outcome["result"]
        figures = result["figures"]
        took = float(result["finished"] - began)
        ours.append(Sample(took, float(figures["cpu_seconds"]), float(figures["memory_mb"])))
        paused.append(float(figures["paused_seconds"]))
        once(lab.command("restore", str(lab.region), "--node", NODE, "--clean", "--yes"))
        told = ", ".join((_told("ours", ours[-1]), _told("bare", bare[-1])))
        print(
            f"  restore {turn + 1}: {told}; services paused {paused[-1]:.1f} s; ours with deploy "
            f"and checks {sample.seconds:.1f} s"
        )
    return ours, bare, paused


def _load() -> float:
    return os.getloadavg()[0]


def _told(name: str, sample: Sample) -> str:
    return f"{name} {sample.seconds:.1f} s (cpu {sample.cpu:.1f} s, {sample.memory:.0f} MB)"


def _state(lab: Lab) -> dict[str, float]:
    found: dict[str, dict[str, dict[str, float]]] = json.loads(
        once(lab.inside(NODE, f"cat {STATE}")).stdout
    )
    return found["targets"]["box"]


def _deploy_with_backup(lab: Lab) -> None:
    """Let `KEEPER` store the backups of `NODE`, in an account of its own."""
    lab.deployed()
    once(lab.inside(KEEPER, _KEEPER))
    host_key = once(lab.inside(KEEPER, "cat /etc/ssh/ssh_host_ed25519_key.pub")).stdout.split()
    target = {
        "ssh": f"{ACCOUNT}@{lab.addresses[KEEPER]}", "path": "backups",
        "host_key": " ".join(host_key[:2]), "nodes": [NODE],
    }  # fmt: skip
    backup = {"to": ["box"], "targets": {"box": target}}
    text = lab.region.read_text()
    if "\nbackup:" not in text:
        lab.region.write_text(f"{text}backup: {json.dumps(backup)}\n")
        lab.region_changed()
    once(lab.redeploy("--node", NODE))
    public = once(lab.inside(NODE, "ssh-keygen -y -f /etc/chautari/backup/login_key")).stdout
    if not public.startswith("ssh-"):
        raise BenchError("the node has no key for backups")
    forced = f'restrict,command="borg serve --restrict-to-path /home/{ACCOUNT}"'
    keys = f"/home/{ACCOUNT}/.ssh/authorized_keys"
    once(lab.inside(KEEPER, f"echo {shlex.quote(f'{forced} {public.strip()}')} > {keys}\n"))
    once(_bare(lab, "init"))


def _backups(lab: Lab, archive: str) -> dict[str, Command]:
    return {
        "ours": lab.inside(NODE, measuring("exec chautari-backup run")),
        "bare": _bare(lab, "create", archive),
    }


def _data(lab: Lab, action: str, argument: int) -> Command:
    script = f"python3 - {action} {argument} <<'END'\n{DATA_PROGRAM.read_text()}\nEND\n"
    return lab.inside(NODE, script)


def _bare(lab: Lab, action: str, archive: str = "") -> Command:
    return lab.inside(NODE, measuring(f"set -- {action} {archive}\n{BARE_PROGRAM.read_text()}"))


def measuring(script: str) -> str:
    """Return a script that runs `script` and prints what it took, without Python itself."""
    return f"python3 -c {shlex.quote(_MEASURE)} {shlex.quote(script)}\n"


def measured(command: Command) -> Sample:
    """Run a script of `measuring` on a node, and return what it took there."""
    return Sample(**json.loads(once(command).stdout.splitlines()[-1]))


_MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(["sh", "-c", sys.argv[1]], stdout=subprocess.DEVNULL).returncode
took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
print(json.dumps({"seconds": took, "cpu": cpu, "memory": memory}))
sys.exit(code)
"""
_KEEPER = f"""\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q -q -y install --no-install-recommends borgbackup >/dev/null
id {ACCOUNT} >/dev/null 2>&1 || useradd -m -s /bin/sh {ACCOUNT}
install -d -m 700 -o {ACCOUNT} -g {ACCOUNT} /home/{ACCOUNT}/.ssh
install -m 600 -o {ACCOUNT} -g {ACCOUNT} /dev/null /home/{ACCOUNT}/.ssh/authorized_keys
"""

"""A nightly backup and a restore of a node, compared with bare borg on the same data.

The other node stores both repositories. Both contestants use the same SSH server, key, options and
priority: the timer would give ours a lower one. `CHAUTARI_BENCH_GB` sets the size of the data.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.lab import Lab
from benchmarks.measure import (
    BenchError,
    Command,
    Figure,
    Sample,
    at_most_times,
    cpu,
    figure,
    once,
    seconds,
)

NODE, KEEPER = "cloud", "ground"
ACCOUNT = "keeper"
GIGABYTES = float(os.environ.get("CHAUTARI_BENCH_GB", "10"))
BACKUP_FACTOR, RESTORE_FACTOR = 1.2, 1.3
BACKUP_ROUNDS = 5
RESTORE_ROUNDS = 1
STATE = "/var/lib/chautari/backup/state.json"
DATA_PROGRAM = Path(__file__).with_name("backup_data.py")
BARE_PROGRAM = Path(__file__).with_name("backup_bare.sh")


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Back up by turns what changed by one per cent, then restore."""
    began = time.monotonic()
    _deploy_with_backup(lab)
    print(f"  (deployed in {time.monotonic() - began:.0f} s; now making {GIGABYTES:g} GB of data)")
    once(_data(lab, "make", int(GIGABYTES * 1e9)))
    first = {name: once(run) for name, run in _backups(lab, "first").items()}
    told = ", ".join(f"{name} {sample.seconds:.1f} s" for name, sample in first.items())
    print(f"  first backup: {told}")
    ours, bare, paused = _nightly(lab, rounds)
    restored, extracted, unavailable = _restores(lab)
    size = f"{GIGABYTES:g} GB"
    return [
        figure(
            f"first backup of {size}", [first["ours"].seconds], [first["bare"].seconds],
            against="bare borg create",
        ),
        figure(
            f"nightly backup of {size}, 1 % changed", seconds(ours), seconds(bare),
            goal=at_most_times(BACKUP_FACTOR), against="bare borg create, prune and compact",
        ),
        figure(
            f"processor time of a nightly backup of {size}", cpu(ours), cpu(bare),
            goal=at_most_times(BACKUP_FACTOR), against="bare borg create, prune and compact",
            note="depends less on the load of the machine",
        ),
        figure("services paused in a nightly backup", paused),
        figure(
            f"restore of {size}", restored, extracted, goal=at_most_times(RESTORE_FACTOR),
            against="bare borg extract and pg_restore", note="ours also compares everything",
        ),
        figure("services paused in a restore", unavailable),
    ]  # fmt: skip


def _nightly(lab: Lab, rounds: int) -> tuple[list[Sample], list[Sample], list[float]]:
    found: dict[str, list[Sample]] = {"ours": [], "bare": []}
    paused = []
    for turn in range(min(rounds, BACKUP_ROUNDS)):
        once(_data(lab, "change", turn))
        contestants = list(_backups(lab, f"night{turn}").items())
        for name, command in contestants if turn % 2 else reversed(contestants):
            found[name].append(once_with_cpu(command))
        paused.append(float(_state(lab)["paused_seconds"]))
        told = ", ".join(
            f"{name} {samples[-1].seconds:.1f} s (cpu {samples[-1].cpu:.1f} s)"
            for name, samples in found.items()
        )
        print(f"  round {turn + 1}: {told}; services paused {paused[-1]:.1f} s")
    return found["ours"], found["bare"], paused


def _restores(lab: Lab) -> tuple[list[float], list[float], list[float]]:
    """Return how long the node's restore took, how long bare borg took, and the pauses."""
    ours, bare, paused = [], [], []
    for turn in range(RESTORE_ROUNDS):
        extract = once(_bare(lab, "restore"))
        once(_bare(lab, "clean"))
        bare.append(extract.seconds)
        restore = lab.command("restore", str(lab.region), "--node", NODE, "--yes", "--json")
        began = time.time()
        sample = once(restore)
        [outcome] = json.loads(sample.stdout)["restores"]
        result = outcome["result"]
        ours.append(float(result["finished"] - began))
        paused.append(float(result["figures"]["paused_seconds"]))
        once(lab.command("restore", str(lab.region), "--node", NODE, "--clean", "--yes"))
        print(
            f"  restore {turn + 1}: ours {ours[-1]:.1f} s (with deploy and checks "
            f"{sample.seconds:.1f} s), bare {bare[-1]:.1f} s; services paused {paused[-1]:.1f} s"
        )
    return ours, bare, paused


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
        "ours": lab.inside(NODE, "chautari-backup run >/dev/null && times\n"),
        "bare": _bare(lab, "create", archive),
    }


def _data(lab: Lab, action: str, argument: int) -> Command:
    script = f"python3 - {action} {argument} <<'END'\n{DATA_PROGRAM.read_text()}\nEND\n"
    return lab.inside(NODE, script)


def _bare(lab: Lab, action: str, archive: str = "") -> Command:
    script = f"set -- {action} {archive}\n{BARE_PROGRAM.read_text()}\ntimes\n"
    return lab.inside(NODE, script)


def once_with_cpu(command: Command) -> Sample:
    """Run a shell script on a node that ends with `times`; return also its processor time."""
    sample = once(command)
    return replace(sample, cpu=processor_seconds(sample.stdout))


def processor_seconds(output: str) -> float:
    """Return the sum of what the shell's `times` printed at the end."""
    words = " ".join(output.splitlines()[-2:]).split()
    return sum(float(m) * 60 + float(s.rstrip("s")) for m, s in (w.split("m") for w in words))


_KEEPER = f"""\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q -q -y install --no-install-recommends borgbackup >/dev/null
id {ACCOUNT} >/dev/null 2>&1 || useradd -m -s /bin/sh {ACCOUNT}
install -d -m 700 -o {ACCOUNT} -g {ACCOUNT} /home/{ACCOUNT}/.ssh
install -m 600 -o {ACCOUNT} -g {ACCOUNT} /dev/null /home/{ACCOUNT}/.ssh/authorized_keys
"""

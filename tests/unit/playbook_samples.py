"""Real playbooks, run on this machine with the plugin that nodes use."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from region_samples import ROOT

from chautari.render.bundle import ANSIBLE_CFG

PLUGIN = ROOT / "tool" / "chautari" / "node" / "chautari_events.py"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
Data = dict[str, Any]


def write(file: Path, data: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(data, sort_keys=False))


def roles(folder: Path, tasks: dict[str, list[Data]]) -> None:
    for name, told in tasks.items():
        write(folder / "roles" / name / "tasks" / "main.yml", told)


def play(
    folder: Path, plays: list[Data], hosts: Data, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `plays` on `hosts`, groups of hosts, in `folder`; the plugin writes beside them."""
    write(folder / "region.yml", plays)
    write(folder / "inventory" / "hosts.yml", {"all": {"vars": LOCAL, "children": hosts}})
    (folder / "ansible.cfg").write_text(ANSIBLE_CFG)
    (folder / "plugins").mkdir()
    (folder / "plugins" / PLUGIN.name).write_bytes(PLUGIN.read_bytes())
    journal = folder / "bin" / "journalctl"
    journal.parent.mkdir()
    journal.write_text("#!/bin/sh\necho 'nginx[1]: a warning'\n")
    journal.chmod(0o755)
    given = {
        "PATH": f"{journal.parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "tool"),
        "CHAUTARI_EVENTS": str(folder / "events.jsonl"),
        "CHAUTARI_MANAGED": str(folder / "managed.jsonl"),
        "CHAUTARI_SECRETS": str(folder / "secrets.json"),
        "CHAUTARI_STATE": str(folder / "state"),
    }
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "region.yml", *arguments]
    return subprocess.run(
        argv, cwd=folder, env=given | environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def lines(file: Path) -> list[Data]:
    return [json.loads(line) for line in file.read_text().splitlines()]

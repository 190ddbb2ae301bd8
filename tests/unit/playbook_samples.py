"""Playbooks for the tests of the event plugin, run on this machine with real Ansible.

A task that runs a module takes half a second of CPU. So a task that only has to succeed, change or
fail is a `debug` or `fail` task, which runs in Ansible itself.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from region_samples import ROOT

from chautari.render.bundle import ANSIBLE_CFG

PLUGIN = ROOT / "tool" / "chautari" / "node" / "chautari_events.py"
# Ansible sends the source of a module's libraries with each task. This Python takes the installed
# ones, which are compiled: half of the time of a task.
PYTHON = f"""#!/bin/sh
exec {sys.executable} -c 'import sys, ansible.module_utils.basic
exec(compile(sys.stdin.read(), "module", "exec"))'
"""
COMMAND = "ansible.builtin.command"
SECRET = 'canary "quoted" ñ'
Data = dict[str, Any]
Tasks = list[Data]


def read_lines(file: Path) -> list[Data]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@dataclass
class PlaybookRun:
    """The folder of a playbook that ran, and how it ended."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    @property
    def output(self) -> str:
        return self.done.stdout + self.done.stderr

    def events(self, *roles: str) -> list[Data]:
        """Return the events of some roles, or of all roles."""
        found = read_lines(self.folder / "events.jsonl")
        return [event for event in found if not roles or event["role"] in roles]

    def records(self, *roles: str) -> list[Data]:
        """Return what the plugin recorded of some roles, or of all roles."""
        found = read_lines(self.folder / "managed.jsonl")
        return [record for record in found if not roles or record["role"] in roles]


def write(file: Path, data: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(data, sort_keys=False))


def write_program(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def write_tasks(folder: Path, part: str, tasks: dict[str, Tasks]) -> None:
    """Write the tasks or the handlers of roles."""
    for role, found in tasks.items():
        write(folder / "roles" / role / part / "main.yml", found)


def run_playbook(
    folder: Path, plays: Tasks, groups: Iterable[str], *arguments: str, **environment: str
) -> PlaybookRun:
    """Run `plays` in `folder` on groups of one host each, with the plugin that nodes use.

    The host `spare` is in each group as well: it keeps the playbook going when the other fails.
    """
    hosts = {name: {"hosts": {f"on_{name}": None, "spare": None}} for name in groups}
    write(folder / "region.yml", plays)
    python = write_program(folder / "bin" / "python", PYTHON)
    local = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    write(folder / "inventory" / "hosts.yml", {"all": {"vars": local, "children": hosts}})
    (folder / "ansible.cfg").write_text(ANSIBLE_CFG)
    (folder / "plugins").mkdir()
    (folder / "plugins" / PLUGIN.name).write_bytes(PLUGIN.read_bytes())
    (folder / "secrets.json").write_text(json.dumps([SECRET, "7"]))
    write_program(folder / "bin" / "journalctl", "#!/bin/sh\necho 'nginx[1]: a warning'\n")
    variables = {
        "PATH": f"{folder}/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "tool"),
        "CHAUTARI_EVENTS": str(folder / "events.jsonl"),
        "CHAUTARI_MANAGED": str(folder / "managed.jsonl"),
        "CHAUTARI_SECRETS": str(folder / "secrets.json"),
        "CHAUTARI_STATE": str(folder / "state"),
    }
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "region.yml", *arguments]
    done = subprocess.run(
        argv, cwd=folder, env=variables | environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return PlaybookRun(folder, done)


def play_of(role: str, folder: Path, secret: str = SECRET, **more: Any) -> Data:
    """Return the play of a role; the spare host leaves it at once."""
    leave = {"ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'spare'"}
    variables = {"secret": secret, "out": f"{folder}/out", "place": str(folder)}
    play: Data = {"hosts": role, "gather_facts": False, "vars": variables, "pre_tasks": [leave]}
    return play | {"roles": [role]} | more


# ── Tasks ────────────────────────────────────────────────────────────────────────────────────


def succeed(name: str, changed: bool = False, **more: Any) -> Data:
    return {"name": name, "ansible.builtin.debug": {"msg": "x"}, "changed_when": changed} | more


def change(name: str, **more: Any) -> Data:
    return succeed(name, changed=True, **more)


def fail(name: str, message: str = "no luck", **more: Any) -> Data:
    return {"name": name, "ansible.builtin.fail": {"msg": message}} | more


def shell(name: str, script: str, **more: Any) -> Data:
    """Return a task that runs a script in Ansible itself, as a command that changes nothing.

    Like a command, it is skipped in check mode.
    """
    message = "{{ lookup('ansible.builtin.pipe', script) }}"
    return succeed(name, **more) | {
        "ansible.builtin.debug": {"msg": message}, "vars": {"script": script},
        "when": "not ansible_check_mode",
    }  # fmt: skip


def template(name: str, dest: str, **more: Any) -> Data:
    arguments = {"src": "s.j2", "dest": dest, "mode": "0600"}
    return {"name": name, "ansible.builtin.template": arguments} | more


def touch(name: str, items: list[str], condition: str) -> Data:
    arguments = {"path": "{{ out }}/{{ item }}", "state": "touch", "mode": "0600"}
    return {"name": name, "ansible.builtin.file": arguments, "loop": items, "when": condition}


def copy(name: str, dest: str, **more: Any) -> Data:
    arguments = {"dest": dest, "content": "x", "mode": "0600"}
    return {"name": name, "ansible.builtin.copy": arguments} | more


def fetch(name: str, file: str, **more: Any) -> Data:
    arguments = {"url": "file://{{ out }}/" + file, "dest": "{{ out }}/fetched", "mode": "0600"}
    return {"name": name, "ansible.builtin.get_url": arguments | more}


def report(name: str, message: str, tag: str = "report", **more: Any) -> Data:
    return {"name": name, "tags": [tag], "ansible.builtin.debug": {"msg": message}} | more


def without_room(file: str, *tasks: Data) -> Tasks:
    """Return the tasks, run while nothing can be appended to a file of the plugin."""
    there = "{{ place }}/" + file
    return [
        shell("Leave no room", f"mv {there} {there}.aside; mkdir {there}"),
        *tasks,
        shell("Make room", f"rmdir {there}; mv {there}.aside {there}"),
    ]


# ── Roles ────────────────────────────────────────────────────────────────────────────────────

# Each of these roles shows an event.
EVENTS: dict[str, Tasks] = {
    "good": [
        report("Name the record", "make an A record"),
        {"name": "Report in its name only", "ansible.builtin.debug": {"msg": "no report"}},
        change("Change", notify="Reload"),
        {"name": "Skip", COMMAND: "false", "when": False},
        succeed("Warn"),
    ],
    "rescued": [
        {"name": "Try", "block": [fail("Fail at first")], "rescue": [change("Repair")]},
        {
            "name": "Try a file",
            "block": [{"name": "Include", "ansible.builtin.include_tasks": "nested.yml"}],
            "rescue": [succeed("Repair again")],
        },
    ],
    "not_achieved": [report("Report what was not done", "as before", tag="report_failure")],
    "asks_for_login": [report("Wait for a login", "not a report", tag="request_login")],
    "rescue_fails": [
        {
            "name": "Try",
            "block": [fail("Fail at first")],
            "rescue": [fail("Fail for good", "beyond help")],
        }
    ],
    "always_fails": [
        {
            "name": "Try",
            "block": [succeed("Go well")],
            "rescue": [succeed("Never")],
            "always": [fail("Clean up")],
        }
    ],
    "secret": [{"name": "Use the secret", COMMAND: "ls /canary-secret", "no_log": True}],
    "loop": [
        {
            "name": "Do each",
            COMMAND: "ls /{{ item }}",
            "changed_when": False,
            "loop": ["tmp", "not-there-1", "not-there-2"],
        }
    ],
    "command": [{"name": "Run it", COMMAND: "sh -c 'echo why >&2; exit 3'"}],
    "long": [fail("Talk", "{{ 'x' * 5000 }}")],
}
# Each of these roles shows something that is recorded for its receipt.
RECORDS: dict[str, Tasks] = {
    "files": [
        template("Write with a secret", "{{ out }}/secret", no_log=True),
        template("Write openly", "{{ out }}/open"),
        template("Write into a folder", "{{ out }}"),
        {"name": "Write nothing", "ansible.builtin.file": {"path": "/never"}, "when": False},
    ],
    "loops": [
        touch("Make each", ["one", "two"], "item != 'three'"),
        copy("Write each with a secret", "{{ out }}/{{ item }}", loop=["s1", "s2"], no_log=True),
        touch("Skip the first", ["three", "four"], "item != 'three'"),
    ],
    "commands": [
        {"name": "Only look", COMMAND: "true", "changed_when": False},
        {"name": "Change something", COMMAND: "true"},
        {"name": "Make once", COMMAND: {"cmd": "true", "creates": "{{ out }}/open"}},
    ],
    "handlers": [
        change("Change", notify=["Reload", "Look"]),
        succeed("Change nothing", notify="Never"),
    ],
    "reports": [
        report("Report the secret", f"it is {SECRET}, and 7"),
        report("Report at length", "x" * 1990 + SECRET),
        fetch("Fetch", "open"),
        fetch("Fetch again", "s.j2", force=False),
        report(
            "Name the images that would be fetched", "the image {{ item }}", "download_estimate",
            loop=["one", "two"], when="item == 'two'",
        ),
    ],
    "rescues": [
        {"name": "Try", "block": [fail("Ask", "no")], "rescue": [succeed("Continue")]},
    ],
    "fails": [
        {"name": "Write before", "ansible.builtin.file": {"path": "{{ out }}", "mode": "0700"}},
        change("Change first", notify="Never done"),
        fail("Fail", SECRET),
    ],
}  # fmt: skip
# Each of these roles shows which handlers stay pending, and what a full disk costs.
PENDING: dict[str, Tasks] = {
    "tentative": [
        shell(
            "Look", "cp {{ place }}/state/pending/tentative {{ place }}/tentative.seen",
            notify="Reload",
        ),
        {"name": "Skip", COMMAND: "false", "when": False, "notify": ["Reload"]},
    ],
    "chained": [
        change("Change", notify="First"),
        succeed("Notify each")
        | {
            "loop": [{"handler": "Second"}, {"handler": "Third"}],
            "changed_when": "item['handler'] == 'Third'",
            "notify": "{{ item['handler'] }}",
        },
    ],
    "full_journal": without_room(
        "events.jsonl", copy("Write one", "{{ place }}/one", notify="Reload")
    ),
    "full_records": without_room(
        "managed.jsonl", copy("Write two", "{{ place }}/two", notify="Reload")
    ),
    "after": [succeed("Go well")],
    "half_failed": [
        succeed("Find nothing to do", notify="Never"),
        fail("Change half", notify="Restart", ignore_errors=True),
    ],
}  # fmt: skip
_journal_full, _, _journal_free = without_room("events.jsonl", {})
PENDING["half_failed"].append(
    {"name": "Try", "block": [_journal_full, fail("Fail", "no")], "always": [_journal_free]}
)
ALL = {**EVENTS, **RECORDS, **PENDING}


def handlers(folder: Path) -> dict[str, Tasks]:
    pending = folder / "state" / "pending"
    return {
        "good": [succeed("Reload")],
        "handlers": [
            shell("Look", f"cp {pending}/handlers {folder}/handlers.seen"), change("Reload"),
        ],
        "fails": [fail("Never done")],
        "tentative": [change("Reload")],
        "chained": [
            change("First", notify=["Last"]),
            change("Second"),
            change("Third"),
            shell("Look", f"cp {pending}/chained {folder}/chained.seen", listen="Last"),
        ],
        "full_journal": [change("Reload")],
        "full_records": [change("Reload")],
        "half_failed": [change("Never"), change("Restart")],
    }  # fmt: skip


def write_roles(folder: Path) -> None:
    """Write all roles with their handlers, templates and further task files."""
    (folder / "out").mkdir()
    write_tasks(folder, "tasks", ALL)
    write_tasks(folder, "handlers", handlers(folder))
    (folder / "roles" / "files" / "templates").mkdir()
    (folder / "roles" / "files" / "templates" / "s.j2").write_text("{{ secret }}\n")
    nested = [fail("Fail in an included file")]
    write(folder / "roles" / "rescued" / "tasks" / "nested.yml", nested)


def write_shared_role(folder: Path) -> None:
    """Write the role `site`, which includes tasks of the role `shared`."""
    include = {"ansible.builtin.include_role": {"name": "shared", "tasks_from": "site.yml"}}
    write_tasks(folder, "tasks", {"site": [{"name": "Include"} | include]})
    write(folder / "roles/site/meta/main.yml", {"dependencies": [{"role": "shared"}]})
    write(folder / "roles/site/tasks/remove.yml", [{"name": "Remove"} | include])
    write_one = {"name": "Write", COMMAND: "true", "notify": "Reload"}
    write(folder / "roles/shared/tasks/site.yml", [write_one])
    write_tasks(folder, "handlers", {"shared": [change("Load", listen="Reload")]})


def plays_of_shared_role(folder: Path) -> Tasks:
    """Return the play that sets the role `site` up and the one that removes it."""
    remove = {"ansible.builtin.include_role": {"name": "site", "tasks_from": "remove.yml"}}
    tasks = [{"name": "Remove site"} | remove]
    return [play_of("site", folder), play_of("site", folder, roles=[], tasks=tasks)]

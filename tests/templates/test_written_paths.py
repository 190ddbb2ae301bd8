"""Each path that a role writes is ours by its name, or is looked for before the first deploy."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from role_samples import NAMES, module, tasks
from templates import ROLES, Variables, variables

from chautari.render.role_inputs import load_receipt_declaration, role_and_shared_roles

WRITING = {"assemble", "blockinfile", "copy", "file", "get_url", "lineinfile", "replace",
           "template", "unarchive"}  # fmt: skip
# Where people keep settings and programs. Below /opt and /var, roles have folders of their own.
OF_PEOPLE = ("/etc/", "/home/", "/root/", "/srv/", "/usr/")
# Files that roles change without a search for others: path, role, and the reason.
ACCEPTED = {
    ("/etc/default/locale", "base"): "the region names the language",
    ("/etc/hostname", "base"): "the region names the machine",
    ("/etc/hosts", "base"): "only the line of the machine's own name changes",
    ("/etc/locale.gen", "base"): "a line is added",
    ("/etc/locale.gen", "bigbluebutton"): "a line is added",
    ("/etc/localtime", "base"): "the region names the time zone",
    ("/etc/mailname", "mail"): "only mail servers read it, and these are looked for",
    ("/etc/timezone", "base"): "the region names the time zone",
    ("/home/ana/.ssh/authorized_keys", "base"): "other keys stay, and are reported",
    # The sources of the node are looked for by their address and name.
    ("/etc/apt/sources.list.d/jitsi.sources", "repository"): "see test_preflight_apt_sources",
}
# What tasks find out on a machine before they write.
FOUND: Variables = {
    "__base_operator": {"name": "ana", "keys": []},
    "__nextcloud_account": {"name": "admin"},
    "__nextcloud_app": {"name": "calendar"},
    "__nextcloud_app_archive": "/var/cache/nextcloud/calendar.tar.gz",
    "repository_source": {"name": "jitsi", "key_url": "https://download.jitsi.org/key"},
    "tls_certificate": {"name": "cloud.andes.example.org"},
}


class Written(NamedTuple):
    """A path that a task of a role, or of a shared role that it includes, writes or deletes."""

    path: str
    state: str
    task: str


@functools.cache
def written_paths(role: str) -> tuple[list[Written], set[str]]:
    """Return what a role writes, and the tasks whose path is known on a machine only."""
    found, unknown = list[Written](), set[str]()
    given = variables(Path(), role, "12")
    given["ansible_facts"] |= {"getent_passwd": {}, "getent_shadow": {}}
    for part in role_and_shared_roles(role):
        for file in sorted((ROLES / part).glob("*s/*.yml")):
            if file.parent.name not in ("tasks", "handlers"):
                continue
            for task in tasks(DataLoader().load_from_file(str(file), trusted_as_template=True)):
                name, arguments = module(task)
                if name.rpartition(".")[2] not in WRITING:
                    continue
                where = f"{part}/{file.name}: {task['name']}"
                try:
                    found += [
                        Written(path, state, where)
                        for path, state in expand(task, arguments, given | FOUND)
                    ]
                except AnsibleUndefinedVariable:
                    unknown.add(where)
    return found, unknown


def expand(task: Variables, arguments: Variables, given: Variables) -> Iterator[tuple[str, str]]:
    """Yield the path and the state that a task gives to its module, for each item of its loop."""
    given = given | task.get("vars", {})
    items = [None]
    if "loop" in task:
        items = Templar(loader=DataLoader(), variables=given).template(task["loop"])
    for item in items:
        templar = Templar(loader=DataLoader(), variables=given | {"item": item})
        path = templar.template(arguments.get("dest") or arguments["path"])
        yield str(path), str(templar.template(arguments.get("state", "")))


def patterns_for(role: str) -> set[str]:
    """Return what is looked for on every node that has the role, by pattern."""
    needed, waiting = set[str](), [role]
    while waiting:
        for part in role_and_shared_roles(waiting.pop()):
            if part not in needed:
                needed.add(part)
                waiting += load_receipt_declaration(part).needs
    items = (item for part in needed for item in load_receipt_declaration(part).takes_over)
    return {item.removeprefix("debian-12:") for item in items}


def is_known(path: str, role: str, patterns: set[str]) -> bool:
    parents = (path, *map(str, PurePosixPath(path).parents))
    return (
        not path.startswith(OF_PEOPLE)
        or "chautari" in path
        or (path, role) in ACCEPTED
        or any(fnmatch(parent, pattern) for parent in parents for pattern in patterns)
    )


@pytest.mark.parametrize("role", NAMES)
def test_role_replaces_nothing_that_the_preflight_does_not_look_for(role: str) -> None:
    written, _ = written_paths(role)
    patterns = patterns_for(role)
    found = [item for item in written if item.state != "directory"]
    assert [item for item in found if not is_known(item.path, role, patterns)] == []


def test_path_of_every_task_is_checked() -> None:
    """A task that no role's variables complete would be left out."""
    known, unknown = set[str](), set[str]()
    for role in NAMES:
        found, left = written_paths(role)
        known |= {item.task for item in found}
        unknown |= left
    # These delete what an earlier task found by its content, or restore files of other tasks.
    assert {task.partition(":")[0] for task in unknown - known} <= {
        "app_container/remove.yml", "backup_space/former_peers.yml",
        "backup_space/remove.yml", "base/former_operators.yml", "bigbluebutton/purge.yml",
        "jitsi/purge.yml", "php_pool/remove.yml", "release_archive/prune.yml",
        "repository/add.yml", "repository/remove.yml", "videobridge/remove.yml",
        "web_site/remove.yml",
    }  # fmt: skip


def test_file_of_others_would_be_noticed() -> None:
    found, _ = written_paths("turn")
    assert "/etc/coturn/openssl.cnf" in {item.path for item in found}
    assert not is_known("/etc/coturn/openssl.cnf", "turn", set())
    assert is_known("/etc/jitsi/meet/x", "jitsi", {"/etc/jitsi/*"})

"""The resources that a task manages, from the final arguments of its module."""

from typing import Any

import pytest

from chautari.node.task_resources import (
    READING,
    merge_resource_descriptions,
    path_resource,
    resource_key,
    resources_of_task,
)

CENSORED = {"censored": "the output has been hidden", "changed": True}
Given = dict[str, Any]


def path(name: str, **more: Any) -> Given:
    return {"kind": "path", "name": name} | more


def package(name: str, desired: str = "present", **more: Any) -> Given:
    return {"kind": "package", "name": name} | ({"desired": desired} if desired else {}) | more


def unit(name: str, enabled: bool, desired: str = "") -> Given:
    flags = ({"enabled": True} if enabled else {}) | (
        {"active": True, "desired": desired} if desired else {}
    )
    return {"kind": "unit", "name": name} | flags


def exists(name: str) -> Given:
    return {"kind": "exists", "name": name}


@pytest.mark.parametrize(
    ("module", "arguments", "result", "items"),
    [
        ("file", {"path": "/etc/x/", "state": "directory"}, {}, [path("/etc/x")]),
        ("file", {"dest": "/etc/x", "state": "absent"}, {}, [path("/etc/x")]),
        ("file", {"name": "/"}, {}, [path("/")]),
        ("template", {"dest": "/etc/x"}, {"dest": "/etc/x", "checksum": "ab"},
         [path("/etc/x", sha1="ab")]),
        ("template", {"dest": "/etc"}, {"dest": "/etc/x", "checksum": "ab"},
         [path("/etc/x", sha1="ab")]),
        ("copy", {"dest": "/etc/x", "content": "a"}, {"dest": "/etc/x"}, [path("/etc/x")]),
        ("assemble", {"dest": "/etc/x", "src": "parts"}, {"checksum": "ab"},
         [path("/etc/x", sha1="ab")]),
        ("lineinfile", {"path": "/etc/x"}, {}, [path("/etc/x")]),
        ("replace", {"dest": "/etc/x"}, {}, [path("/etc/x")]),
        ("blockinfile", {"name": "/etc/x"}, {}, [path("/etc/x")]),
        ("get_url", {"dest": "/opt", "url": "u"}, {"dest": "/opt/n.tar"}, [path("/opt/n.tar")]),
        ("apt", {"name": ["a", "b=1.2-3"]}, {}, [package("a"), package("b", pinned=True)]),
        ("apt", {"name": "a, b:amd64"}, {}, [package("a"), package("b")]),
        ("apt", {"pkg": "a", "state": "absent"}, {}, [package("a", "absent")]),
        ("package", {"name": "a"}, {}, [package("a")]),
        ("apt", {"name": "a", "state": "latest"}, {}, [package("a")]),
        ("apt", {"name": "a", "state": "build-dep"}, {}, [package("a", "")]),
        ("apt", {"update_cache": True, "upgrade": "no"}, {}, []),
        ("dpkg_selections", {"name": "a", "selection": "hold"}, {}, [package("a", "", held=True)]),
        ("systemd_service", {"name": "nginx", "enabled": True, "state": "started"}, {},
         [unit("nginx.service", True, "started")]),
        ("service", {"name": "nginx", "state": "reloaded"}, {},
         [unit("nginx.service", False, "reloaded")]),
        ("systemd", {"name": "x.timer", "enabled": False}, {}, [unit("x.timer", True)]),
        ("systemd", {"name": "x@1", "masked": True}, {}, [unit("x@1.service", True)]),
        ("systemd_service", {"daemon_reload": True}, {}, []),
        ("user", {"name": "ana"}, {}, [{"kind": "account", "name": "ana"}]),
        ("group", {"name": "sudo"}, {}, [{"kind": "group", "name": "sudo"}]),
        ("stat", {"path": "/etc/x"}, {"stat": {"exists": False}}, [exists("/etc/x")]),
        ("debconf", {"name": "p", "question": "p/q"}, {}, [{"kind": "debconf", "name": "p/q"}]),
        ("debconf", {"name": "p"}, {}, []),
        ("deb822_repository", {"name": "n"},
         {"dest": "/etc/apt/sources.list.d/n.sources", "key_filename": "/etc/apt/keyrings/n.asc"},
         [path("/etc/apt/sources.list.d/n.sources"), path("/etc/apt/keyrings/n.asc")]),
        ("deb822_repository", {"name": "n"}, {}, [path("/etc/apt/sources.list.d/n.sources")]),
        ("unarchive", {"dest": "/opt", "creates": "/opt/x"}, {}, [exists("/opt/x")]),
        ("uri", {"url": "https://example.org/"}, {}, []),
        ("uri", {"url": "https://example.org/", "method": "head"}, {}, []),
        ("command", {"_raw_params": "make", "creates": "/opt/x"}, {}, [exists("/opt/x")]),
    ],
)  # fmt: skip
def test_module_names_the_resources_that_it_manages(
    module: str, arguments: Given, result: Given, items: list[Given]
) -> None:
    for name in (module, f"ansible.builtin.{module}", f"ansible.legacy.{module}"):
        assert resources_of_task(name, arguments, result, False) == (items, "")


@pytest.mark.parametrize(
    ("module", "arguments", "items"),
    [
        ("command", {"_raw_params": "true"}, []),
        ("shell", {"_raw_params": "true"}, []),
        ("script", {"_raw_params": "x.sh"}, []),
        ("raw", {"_raw_params": "true"}, []),
        ("expect", {"command": "passwd"}, []),
        ("file", {"path": "/etc/x", "recurse": "yes"}, [path("/etc/x")]),
        ("copy", {"src": "tree/", "dest": "/etc/x"}, [path("/etc/x")]),
        ("apt", {"deb": "/tmp/x.deb"}, []),
        ("apt", {"upgrade": "safe"}, []),
        ("apt", {"name": "php*"}, [package("php*")]),
        ("uri", {"url": "https://example.org/", "method": "POST"}, []),
        ("uri", {"url": "https://example.org/", "dest": "/etc/x"}, []),
        ("unarchive", {"dest": "/opt", "src": "x.tar"}, []),
        ("cron", {"name": "x"}, []),
        ("community.general.ufw", {"rule": "allow"}, []),
    ],
)
def test_untracked_change_has_a_code(module: str, arguments: Given, items: list[Given]) -> None:
    found, why = resources_of_task(module, arguments, {}, False)
    assert found == items
    assert why


def test_copied_tree_is_untracked() -> None:
    _, why = resources_of_task(
        "copy", {"src": "tree", "dest": "/etc/x"}, {"state": "directory"}, False
    )
    assert why == "copied_tree"


def test_unknown_module_is_untracked() -> None:
    assert resources_of_task("cron", {}, {}, True) == ([], "unknown_module")


@pytest.mark.parametrize("module", ["command", "shell", "script"])
def test_command_that_never_changes_anything_is_tracked(module: str) -> None:
    assert resources_of_task(module, {"_raw_params": "id"}, {}, True) == ([], "")


@pytest.mark.parametrize("module", sorted(READING))
def test_reading_module_manages_nothing(module: str) -> None:
    assert resources_of_task(
        f"ansible.builtin.{module}", {"path": "/x", "name": "x"}, {}, False
    ) == ([], "")


@pytest.mark.parametrize(
    ("module", "arguments", "items"),
    [
        ("template", {"src": "s.j2", "dest": "/etc/s"}, [path("/etc/s")]),
        ("copy", {"content": "canary", "dest": "/etc/s"}, [path("/etc/s")]),
        ("user", {"name": "ana", "password": "canary"}, [{"kind": "account", "name": "ana"}]),
        ("debconf", {"question": "p/q", "value": "canary"}, [{"kind": "debconf", "name": "p/q"}]),
    ],
)
def test_censored_result_names_the_resource_and_no_secret(
    module: str, arguments: Given, items: list[Given]
) -> None:
    assert resources_of_task(module, arguments, CENSORED, False) == (items, "")


def test_censored_copy_into_a_folder_is_untracked() -> None:
    found, why = resources_of_task("copy", {"src": "s", "dest": "/etc/"}, CENSORED, False)
    assert (found, bool(why)) == ([path("/etc")], True)


def test_resources_with_the_same_name_have_the_same_key() -> None:
    assert resource_key(path_resource("/etc/x", sha1="ab")) == resource_key(
        path_resource("/etc/x/")
    )
    assert resource_key(exists("/etc/x")) != resource_key(path_resource("/etc/x"))


def test_merge_keeps_that_a_restarted_unit_is_enabled() -> None:
    enabled = unit("x.service", True, "started")
    assert merge_resource_descriptions(enabled, unit("x.service", False, "restarted")) == enabled
    assert merge_resource_descriptions(package("a", pinned=True), package("a")) == package(
        "a", pinned=True
    )


@pytest.mark.parametrize(
    ("first", "then", "desired"),
    [
        ("stopped", "started", "started"),
        ("started", "stopped", "stopped"),
        ("started", "reloaded", "started"),
        ("reloaded", "restarted", "restarted"),
        ("stopped", "restarted", "restarted"),
        ("started", "", "started"),
    ],
)
def test_merge_takes_the_last_desired_state_of_a_unit(first: str, then: str, desired: str) -> None:
    found = merge_resource_descriptions(
        unit("x.service", False, first), unit("x.service", True, then)
    )
    assert found == unit("x.service", True, desired)


def test_merge_takes_the_last_desired_state_of_a_package() -> None:
    assert merge_resource_descriptions(package("a", "absent"), package("a")) == package("a")


def test_merge_takes_the_last_digest_of_a_file() -> None:
    assert merge_resource_descriptions(path("/x", sha1="a"), path("/x")) == path("/x")

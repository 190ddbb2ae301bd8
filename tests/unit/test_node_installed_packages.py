"""The packages that a node lists after a deploy: those that its roles installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from receipt_samples import inputs, record, state, write_receipt

from chautari.node.installed_packages import installed_packages_event

__all__ = ["state"]


def item(name: str) -> dict[str, str]:
    return {"kind": "package", "name": name}


def installed(name: str) -> str:
    argv = ["dpkg-query", "--show", "--showformat=${Version}", name]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_installed_packages_of_receipts_are_listed_with_their_roles(state: Path) -> None:
    for role, names in (("base", ["dpkg", "bash"]), ("ssh", ["dpkg", "not-installed-here"])):
        write_receipt(state, inputs(role), record(*map(item, names)))
    event = installed_packages_event(state)
    found = {package["name"]: package for package in event["packages"]}
    assert sorted(found) == ["bash", "dpkg"]
    assert found["dpkg"]["roles"] == ["base", "ssh"] and found["bash"]["roles"] == ["base"]
    assert found["dpkg"]["version"] == installed("dpkg")


def test_node_without_receipts_lists_nothing(state: Path) -> None:
    assert installed_packages_event(state) == {"event": "installed_packages", "packages": []}


def test_removed_package_is_not_listed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its configuration may stay, and dpkg then still knows it."""
    text = "dpkg\t1.0\tamd64\tconfig-files\nbash\t2.0\tamd64\tinstalled\n"
    done = subprocess.CompletedProcess([], 0, text, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    write_receipt(state, inputs("base"), record(item("dpkg"), item("bash")))
    assert [package["name"] for package in installed_packages_event(state)["packages"]] == ["bash"]

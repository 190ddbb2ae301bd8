"""The pool as its node sees it: containers, servers and health."""

from __future__ import annotations

from typing import Any

import pytest

from chautari.checks.containers import assert_temporary_files_on_disk

pytestmark = pytest.mark.role("scalelite")

UNITS = ["scalelite-api", "scalelite-poller"]


@pytest.mark.advice("Run journalctl -u 'scalelite-*' on the node.", units=UNITS)
def test_units_are_enabled_and_running(host: Any) -> None:
    """Scalelite's API and poller are running, and start when the machine starts"""
    for name in UNITS:
        unit = host.service(name)
        assert unit.is_enabled, f"{name} is not enabled"
        assert unit.is_running, f"{name} is not running"


@pytest.mark.advice("Deploy again to start the containers with the region's settings.", units=UNITS)
def test_containers_are_shut_in(host: Any, settings: dict[str, Any]) -> None:
    """The containers use the pinned image, are read-only and have no privileges"""
    wanted = "{{.ImageName}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}"
    for name in UNITS:
        found = host.check_output("podman inspect --format %s %s", wanted, name).split()
        assert found == [settings["scalelite_image"], "true", "false"], f"{name}: {found}"


@pytest.mark.advice("Deploy again to add the servers to the pool.", units=UNITS)
def test_servers_are_those_of_the_region(host: Any, settings: dict[str, Any]) -> None:
    """The pool has the region's servers, and no other server in it accepts meetings"""
    listed = host.check_output("podman exec scalelite-api bundle exec rake servers")
    blocks = listed.split("id: ")[1:]
    known = {block.split()[0]: block for block in blocks}
    wanted = {server["name"]: server["url"] for server in settings["scalelite_servers"]}
    for name, url in wanted.items():
        assert name in known, f"{name} is not in the pool"
        assert f"url: {url}" in known[name], f"{name} has another address"
    other = [name for name in set(known) - set(wanted) if "enabled" in known[name]]
    assert not other, f"these servers accept meetings, but are not in this region: {other}"


@pytest.mark.advice("Deploy again to mount the directory for temporary files.", units=UNITS)
def test_temporary_files_are_on_the_disk(host: Any) -> None:
    """Temporary files are on the disk, not in memory, and old ones are deleted"""
    for name in UNITS:
        assert_temporary_files_on_disk(host, "scalelite", name)


@pytest.mark.advice("Deploy again to set the mode of the file.", units=[])
def test_settings_are_closed_to_others(host: Any) -> None:
    """Other accounts cannot read Scalelite's settings"""
    file = host.file("/etc/chautari/scalelite.env")
    assert (file.user, file.mode) == ("root", 0o600)

"""The pool as its node sees it: containers, servers and health."""

from __future__ import annotations

from typing import Any

import pytest

from chautari.checks import sandboxing
from chautari.checks.containers import assert_temporary_files_on_disk

pytestmark = pytest.mark.role("scalelite")

UNITS = ["scalelite-api", "scalelite-poller"]
OVERFLOW = "/usr/local/libexec/chautari/scalelite-overflow"


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
    """The pool has the region's servers and those of peers, and no other server accepts meetings"""
    listed = host.check_output("podman exec scalelite-api bundle exec rake servers")
    blocks = listed.split("id: ")[1:]
    known = {block.split()[0]: block for block in blocks}
    borrowed = settings["scalelite_borrowed_servers"]
    wanted = {server["name"]: server for server in [*settings["scalelite_servers"], *borrowed]}
    for name, server in wanted.items():
        assert name in known, f"{name} is not in the pool"
        assert f"url: {server['url']}\n" in known[name], f"{name} has another address"
    for server in borrowed:  # without its tag, it would be used before the own servers are full
        assert f"tag: {server['tag']}\n" in known[server["name"]], f"{server['name']} has no tag"
    other = [name for name in set(known) - set(wanted) if "enabled" in known[name]]
    assert not other, f"these servers accept meetings, but are not in this region: {other}"


@pytest.mark.advice(
    "Run 'journalctl -u chautari-scalelite-overflow' on the node.",
    units=["chautari-scalelite-overflow"],
)
def test_servers_of_peers_are_enabled_by_timer(host: Any, settings: dict[str, Any]) -> None:
    """The timer that enables servers of peers is running, and its last run succeeded"""
    if not settings["scalelite_borrowed_servers"]:
        assert not host.file(OVERFLOW).exists, f"{OVERFLOW} exists, but no peer lends a server"
        return
    assert host.service("chautari-scalelite-overflow.timer").is_running
    unit = "chautari-scalelite-overflow.service"
    shown = host.check_output("systemctl show --property=Result --value %s", unit).strip()
    assert shown == "success", shown
    file = host.file("/etc/chautari/scalelite-overflow.conf")
    assert (file.user, file.mode) == ("root", 0o600)


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


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Any) -> None:
    """systemd lets the program for servers of peers do only what it needs"""
    if not host.file(OVERFLOW).exists:
        pytest.skip("the region uses no servers of peers")
    sandboxing.assert_exposure(host, ["chautari-scalelite-overflow.service"])

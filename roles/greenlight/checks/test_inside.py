"""Greenlight as its node sees it: its container, its limits, its health."""

from __future__ import annotations

from typing import Any

import pytest

from chautari.checks.containers import assert_temporary_files_on_disk

pytestmark = pytest.mark.role("greenlight")

UNIT = "greenlight"


@pytest.mark.advice("Read 'journalctl -u greenlight' on the node.", units=[UNIT])
def test_unit_is_enabled_and_running(host: Any) -> None:
    """Greenlight is running, and starts when the machine starts"""
    unit = host.service(UNIT)
    assert unit.is_enabled, "Greenlight is not enabled"
    assert unit.is_running, "Greenlight is not running"


@pytest.mark.advice("Deploy again to start the container with the region's settings.", units=[UNIT])
def test_container_is_shut_in(host: Any, settings: dict[str, Any]) -> None:
    """The container uses the pinned image, is read-only and has no privileges"""
    wanted = "{{.ImageName}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}"
    found = host.check_output("podman inspect --format %s greenlight", wanted).split()
    assert found == [settings["greenlight_image"], "true", "false"], found
    gained = host.check_output("podman inspect --format %s greenlight", "{{.EffectiveCaps}}")
    assert gained in ("[]", "<nil>"), f"capabilities: {gained}"


@pytest.mark.advice(
    "The message shows what is not reachable: the database, Redis, mail or the meeting server.",
    units=[UNIT],
)
def test_it_says_that_it_is_well(host: Any, settings: dict[str, Any]) -> None:
    """Greenlight can reach its database, Redis, mail and the meeting server"""
    url = f"http://127.0.0.1:{settings['greenlight_port']}/health_check"
    headers = f"-H 'Host: {settings['greenlight_domain']}' -H 'X-Forwarded-Proto: https'"
    answer = host.run(f"curl -s --max-time 30 {headers} {url}")
    said = (
        answer.stdout.strip()
        or host.run(
            f"python3 -c 'import urllib.request as r; "
            f'q = r.Request("{url}", headers={{"Host": "{settings["greenlight_domain"]}", '
            f'"X-Forwarded-Proto": "https"}}); print(r.urlopen(q, timeout=30).read().decode())\''
        ).stdout.strip()
    )
    assert said == "success", said


@pytest.mark.advice("Deploy again to mount the directory for temporary files.", units=[UNIT])
def test_temporary_files_are_on_the_disk(host: Any) -> None:
    """Temporary files of uploads are on the disk, not in memory, and old ones are deleted"""
    assert_temporary_files_on_disk(host, "greenlight", UNIT)


@pytest.mark.advice("Deploy again to set the mode of the file.", units=[])
def test_settings_are_closed_to_others(host: Any) -> None:
    """Other accounts cannot read Greenlight's settings"""
    file = host.file("/etc/chautari/greenlight.env")
    assert (file.user, file.mode) == ("root", 0o600)

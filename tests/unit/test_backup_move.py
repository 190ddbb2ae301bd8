"""Any service moves by backup, deploy and restore; the steps say so in this order."""

from __future__ import annotations

from pathlib import Path

import pytest
from region_samples import ROOT
from test_backup_restore import REGION, load

from chautari.backup.move import move_steps
from chautari.errors import BadInput
from chautari.region.model import Region
from chautari.services.registry import SERVICES


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return load(tmp_path).region


def test_steps_back_up_deploy_and_restore_in_order(region: Region) -> None:
    steps = move_steps(region, "nextcloud", "new1")
    actions = [" ".join(action) for step in steps for action in step.actions]
    close = (
        "rm -f /etc/nginx/sites-enabled/nextcloud.conf && systemctl reload nginx && "
        "systemctl disable --now nextcloud-cron.timer"
    )
    assert actions == [
        "deploy prepare andes --node new1",
        "deploy backup now andes --node bog1",
        f"ssh bog1 {close}",
        "deploy backup now andes --node bog1",
        "deploy validate andes",
        "check-region bog1 new1",
        "deploy dns andes --wait",
        "deploy region andes --node new1",
        "deploy restore andes --node new1 --service nextcloud --backup-of bog1 --yes",
        "deploy verify andes --node new1",
        "deploy backup now andes --node new1",
        "deploy region andes",
    ]
    texts = [line for step in steps for line in step.commands]
    assert "bog1: {…, services: [polls]}" in texts
    assert "new1: {…, services: [nextcloud]}" in texts
    assert "cloud.andes.example.org  A  203.0.113.22" in texts
    assert f"ssh root@203.0.113.20 '{close}'" in texts
    assert "deploy backup keys andes --node new1" in texts  # the server must learn this key
    closing = next(step.why for step in steps if step.title.startswith("Close"))
    assert "These services on bog1 keep running: polls" in closing


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            "polls",
            "rm -f /etc/nginx/sites-enabled/framadate.conf && systemctl reload nginx && "
            "systemctl disable --now framadate-purge.timer",
        ),
        (
            "jitsi",
            "rm -f /etc/nginx/sites-enabled/meet.andes.example.org.conf && "
            "systemctl reload nginx && systemctl disable --now prosody.service && "
            "systemctl disable --now jicofo.service",
        ),
    ],
)
def test_closed_service_neither_serves_nor_runs_jobs(
    tmp_path: Path, service: str, expected: str
) -> None:
    text = REGION.replace("[nextcloud, polls]", "[nextcloud, polls, jitsi]")
    text = text.replace("os: debian-12,", "os: debian-12, user: op, ")
    text = text.replace("services:\n  next", "services:\n  jitsi: {members: [ana]}\n  next")
    steps = move_steps(load(tmp_path, text).region, service, "new1")
    [close] = [step for step in steps if step.title.startswith("Close")]
    assert close.actions[0] == ("ssh", "bog1", expected)
    assert close.commands[0] == f"ssh op@203.0.113.20 'sudo sh -c \"{expected}\"'"


def test_sites_that_are_closed_are_those_that_the_roles_enable() -> None:
    for name, service in SERVICES.items():
        task_file = ROOT / "roles" / service.role_and_artifact_name / "tasks" / "web.yml"
        if service.is_auxiliary or service.move or not task_file.is_file():
            continue
        file = service.site_file.format(name="{{ jitsi_domain }}")
        expected = file or f"{service.role_and_artifact_name}.conf"
        text = task_file.read_text().replace('"', "")
        assert f"web_site_file: {expected}" in text, name


def test_steps_are_the_same_after_the_change_of_the_region_file(tmp_path: Path) -> None:
    before = move_steps(load(tmp_path).region, "nextcloud", "new1")
    text = REGION.replace("[nextcloud, polls]", "[polls]").replace(
        "new1: {address: 203.0.113.22}", "new1: {address: 203.0.113.22, services: [nextcloud]}"
    )
    after = move_steps(load(tmp_path, text).region, "nextcloud", "new1", "bog1")
    assert [step.actions for step in after] == [step.actions for step in before]


@pytest.mark.parametrize(
    ("service", "to", "old", "reason"),
    [
        ("nextcloud", "bog9", "", "no node 'bog9'"),
        ("nextcloud", "bog1", "", "bog1 already runs nextcloud"),
        ("nextcloud", "bog1", "bog1", "both nodes are the same"),
        ("jitsi", "new1", "", "no node in the region runs jitsi"),
    ],
)
def test_steps_refuse_what_cannot_move(
    region: Region, service: str, to: str, old: str, reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        move_steps(region, service, to, old)


def test_move_needs_a_backup_that_the_new_node_can_read(tmp_path: Path) -> None:
    without = REGION.partition("backup:")[0]
    with pytest.raises(BadInput, match="has no backups"):
        move_steps(load(tmp_path, without).region, "nextcloud", "new1")
    disk = REGION.replace("to: [disk, box]", "to: [disk]").partition("    box:")[0]
    with pytest.raises(BadInput, match="only on a disk of bog1"):
        move_steps(load(tmp_path, disk).region, "nextcloud", "new1")

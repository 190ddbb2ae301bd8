"""Any service moves by backup, deploy and restore; the steps say so in this order."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_backup_restore import REGION, load

from chautari.backup.move import move_steps
from chautari.errors import BadInput
from chautari.region.model import Region


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return load(tmp_path).region


def test_steps_back_up_deploy_and_restore_in_order(region: Region) -> None:
    steps = move_steps(region, "nextcloud", "new1")
    actions = [" ".join(action) for step in steps for action in step.actions]
    assert actions == [
        "deploy prepare andes --node new1",
        "deploy backup now andes --node bog1",
        "ssh bog1 systemctl stop nginx",
        "deploy backup now andes --node bog1",
        "deploy validate andes",
        "deploy dns andes --wait",
        "deploy region andes --node new1",
        "deploy restore andes --node new1 --service nextcloud --backup-of bog1 --yes",
        "deploy verify andes --node new1",
        "deploy region andes --node bog1",
    ]
    texts = [line for step in steps for line in step.commands]
    assert "bog1: {…, services: [polls]}" in texts
    assert "new1: {…, services: [nextcloud]}" in texts
    assert "cloud.andes.example.org  A  203.0.113.22" in texts
    assert "ssh root@203.0.113.20 'systemctl stop nginx'" in texts


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

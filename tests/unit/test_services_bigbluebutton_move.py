"""The steps that move BigBlueButton to another machine."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from region_samples import KEY, load_sample_region, region_file

from chautari.cli import main
from chautari.errors import BadInput
from chautari.region.model import Region
from chautari.services.bigbluebutton.move import FOLDERS, move_steps

TEXT = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {{ana: {key} ana@laptop}}
nodes:
  cal1: {{address: 203.0.113.12, os: ubuntu-22.04, services: [bigbluebutton]}}
  cal2: {{address: 203.0.113.13, address6: '2001:db8::13', os: ubuntu-24.04, user: op, port: 2222}}
  med1: {{address: 203.0.113.14, services: [jitsi]}}
services:
  bigbluebutton: {{host: rooms, rooms: none}}
  jitsi: {{access: open}}
"""


def region(folder: Path, text: str = TEXT) -> Region:
    return load_sample_region(folder, text, KEY).region


def test_steps_name_machines_records_and_folders_of_the_region(tmp_path: Path) -> None:
    found = move_steps(region(tmp_path), "cal2", "4.0", tmp_path / "my regions" / "known_hosts")
    lines = [line for step in found for line in step.commands]
    assert "rooms.andes.example.org  A  203.0.113.13" in lines
    assert "rooms.andes.example.org  AAAA  2001:db8::13" in lines
    copies = [line for line in lines if "rsync -aR" in line]
    assert len(copies) == 2 and copies[0] == copies[1]
    assert copies[0].startswith("ssh root@203.0.113.12 'rsync -aR")
    assert copies[0].endswith("op@203.0.113.13:/'")
    assert '--rsync-path "sudo rsync"' in copies[0]
    assert not [line for line in lines if "ssh -A" in line or "ForwardAgent" in line]
    assert all(folder in copies[0] for folder in FOLDERS)
    assert any(line.startswith("ssh -p 2222 op@203.0.113.13 'sudo chown") for line in lines)


def test_new_server_is_deployed_before_the_old_one_is_removed(tmp_path: Path) -> None:
    lines = [
        line
        for step in move_steps(
            region(tmp_path), "cal2", "4.0", tmp_path / "my regions" / "known_hosts"
        )
        for line in step.commands
    ]
    order = [
        "deploy prepare andes --node cal2", "deploy region andes --node cal2",
        "deploy region andes", "deploy region andes --node cal1 --purge",
    ]  # fmt: skip
    assert [line for line in lines if line in order] == order


@pytest.mark.parametrize(
    ("to", "release", "message"),
    [
        ("cal3", "4.0", "no node 'cal3'"),
        ("cal1", "4.0", "cal1 already runs bigbluebutton"),
        ("med1", "4.0", "med1 already runs jitsi"),
        ("cal2", "3.0", "BigBlueButton 3.0 requires ubuntu-22.04, but cal2 has ubuntu-24.04"),
    ],
)
def test_unsuitable_machine_is_refused(to: str, release: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        move_steps(region(tmp_path), to, release, tmp_path / "my regions" / "known_hosts")


def test_region_without_the_service_has_nothing_to_move(tmp_path: Path) -> None:
    text = TEXT.replace("[bigbluebutton]", "[]").replace(
        "  bigbluebutton: {{host: rooms, rooms: none}}\n", ""
    )
    with pytest.raises(BadInput, match="no node in the region runs"):
        move_steps(region(tmp_path, text), "cal2", "4.0", tmp_path / "my regions" / "known_hosts")


def test_command_prints_the_steps_and_gives_them_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    region_file(tmp_path, TEXT, KEY)
    argv = ["move", "andes", "bigbluebutton", "--to", "cal2"]
    assert main.run(argv) == 0
    assert capsys.readouterr().out.startswith("1. Prepare the new machine\n")
    assert main.run([*argv, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["steps"]) == 12


POOL = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
sandbox:
  network: 203.0.113.0/24
  os_substitutes: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}
nodes:
  cal1: {{address: 203.0.113.12, os: ubuntu-22.04, services: [bigbluebutton]}}
  cal2: {{address: 203.0.113.13}}
  med1: {{address: 203.0.113.14, services: [scalelite]}}
services:
  bigbluebutton: {{host: rooms, rooms: none}}
"""


def test_pool_accepts_a_new_server_without_a_move(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="form a pool"):
        move_steps(region(tmp_path, POOL), "cal2", "4.0", tmp_path / "my regions" / "known_hosts")


def test_key_between_the_servers_is_restricted_and_deleted(tmp_path: Path) -> None:
    """The commands run here in a shell, with `ssh` replaced by one that runs them in a folder."""
    bin_, home = tmp_path / "bin", tmp_path / "home"
    for folder in (bin_, home / "root@203.0.113.12" / ".ssh", home / "op@203.0.113.13" / ".ssh"):
        folder.mkdir(parents=True)
    fake = bin_ / "ssh"
    fake.write_text(
        '#!/bin/sh\n[ "$1" != -p ] || shift 2\n'
        'export HOME="$HOMES/$1"; cd "$HOME"; exec sh -c "$2"\n'
    )
    fake.chmod(0o755)
    (tmp_path / "my regions").mkdir()
    (tmp_path / "my regions" / "known_hosts").write_text(
        "[203.0.113.13]:2222 ssh-ed25519 AAAA\n203.0.113.12 ssh-ed25519 BBBB\n"
    )
    authorized = home / "op@203.0.113.13" / ".ssh" / "authorized_keys"
    authorized.write_text("ssh-ed25519 AAAA ana@laptop\n")

    def run(title: str) -> None:
        [step] = [
            one
            for one in move_steps(
                region(tmp_path), "cal2", "4.0", tmp_path / "my regions" / "known_hosts"
            )
            if one.title == title
        ]
        for command in step.commands:
            subprocess.run(
                ["bash", "-ec", command], check=True, cwd=tmp_path,
                env={"PATH": f"{bin_}:/usr/bin:/bin", "HOMES": str(home)},
            )  # fmt: skip

    run("Give the old server access to the new one")
    kept, added = authorized.read_text().splitlines()
    assert kept == "ssh-ed25519 AAAA ana@laptop"
    assert re.fullmatch(
        r'from="203\.0\.113\.12(,[0-9a-f:]+)?",restrict ssh-ed25519 \S+ chautari-move', added
    )
    known = (home / "root@203.0.113.12" / ".ssh" / "known_hosts").read_text()
    assert known == "[203.0.113.13]:2222 ssh-ed25519 AAAA\n"
    run("Delete the key that the old server used")
    assert authorized.read_text() == "ssh-ed25519 AAAA ana@laptop\n"
    assert not list((home / "root@203.0.113.12" / ".ssh").glob("chautari-move*"))

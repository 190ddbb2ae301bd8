"""The file of pins: what `deploy lock` adds, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from region_samples import load_sample_region

from chautari.deploy.pinning.lock_file import Pin, add_pins_to_lock_file
from chautari.deploy.pinning.refusal import PinRefused

URL = "https://packages.framasoft.org/projects/framadate/framadate-1.1.19.zip"
POLLS = Pin("framadate", "1.1.19", URL, "ab" * 32, 20_123_456)
SERVER = Pin(
    "nextcloud", "34.0.9", "https://download.example.org/nextcloud-34.0.9.tar.bz2", "cd" * 32, 17,
    "Nextcloud Security, OpenPGP 28806A",
)  # fmt: skip
IMAGE = Pin("greenlight", "3.9", "docker.io/bigbluebutton/greenlight", "12" * 32, 900, image=True)
POLLS_TEXT = f"""\
framadate:
  1.1.19:
    url: {URL}
    sha256: {"ab" * 32}
    size: 20123456
"""
COMMENTED = f"""\
# Ours.
nextcloud:  # the server

  # tested by ana
  34.0.1:
    url: https://download.example.org/nextcloud-34.0.1.tar.bz2  # mirror
    sha256: {"ee" * 32}

# polls
{POLLS_TEXT}
# the end
"""


def write(folder: Path, text: str | None, *pins: Pin) -> str:
    file = folder / "artifacts.lock"
    if text is not None:
        file.write_text(text)
    add_pins_to_lock_file(folder, pins)
    return file.read_text()


def test_new_file_has_a_heading_and_the_pin(tmp_path: Path) -> None:
    text = write(tmp_path, None, POLLS)
    assert text.startswith("# ") and text.endswith(POLLS_TEXT)
    assert [file.name for file in tmp_path.iterdir()] == ["artifacts.lock"]


def test_comments_and_order_stay(tmp_path: Path) -> None:
    text = write(tmp_path, COMMENTED, SERVER, IMAGE)
    added = [line for line in text.splitlines() if line not in COMMENTED.splitlines()]
    assert added == [
        "  34.0.9:",
        f"    url: {SERVER.place}",
        f"    sha256: {'cd' * 32}",
        "    size: 17",
        '    signer: "Nextcloud Security, OpenPGP 28806A"',
        "greenlight:",
        '  "3.9":',
        "    image: docker.io/bigbluebutton/greenlight",
        f"    sha256: {json_text('12' * 32)}",
        "    size: 900",
    ]
    without = [line for line in text.splitlines() if line not in added]
    assert [line for line in without if line] == [line for line in COMMENTED.splitlines() if line]


def json_text(value: str) -> str:
    return f'"{value}"'


def test_older_pin_of_the_same_version_is_replaced(tmp_path: Path) -> None:
    text = write(tmp_path, COMMENTED, POLLS._replace(sha256="ff" * 32))
    assert "ab" * 32 not in text and text.count("1.1.19:") == 1
    assert "# tested by ana" in text and "# the end" in text


def test_written_pins_are_read_by_the_region(tmp_path: Path) -> None:
    loaded_region = load_sample_region(tmp_path)
    add_pins_to_lock_file(loaded_region.folder, [POLLS, SERVER, IMAGE])
    found = load_sample_region(tmp_path).releases
    assert found["framadate"]["1.1.19"].sha256 == "ab" * 32
    assert found["nextcloud"]["34.0.9"].url == SERVER.place
    assert found["greenlight"]["3.9"].url == IMAGE.place


def test_other_forms_are_left_as_they_are(tmp_path: Path) -> None:
    pin = f"{{url: 'https://x.example.org/a.zip', sha256: '{'ab' * 32}'}}"
    text = f"framadate: {{1.1.18: {pin}}}\n"
    with pytest.raises(PinRefused) as refused:
        write(tmp_path, text, POLLS)
    assert refused.value.code == "lock_file_form"
    assert f"url: {URL}" in refused.value.fix
    assert (tmp_path / "artifacts.lock").read_text() == text
    assert [file.name for file in tmp_path.iterdir()] == ["artifacts.lock"]

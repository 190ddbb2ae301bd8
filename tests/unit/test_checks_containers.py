"""Where the containers of an application keep temporary files, as the checks of its role see it."""

import json
from types import SimpleNamespace

import pytest

from chautari.checks.containers import assert_temporary_files_on_disk

PATH = "/var/cache/chautari/greenlight"
MOUNT = {"Destination": "/tmp", "Source": PATH}


class Host:
    """A node with one container, whose answers a test changes."""

    def __init__(self, **answers: object) -> None:
        self.answers: dict[str, object] = {
            "mounts": [MOUNT], "kind": "ext2/ext3", "mode": 0o1777, "above": 0o700, "old": "",
            **answers,
        }  # fmt: skip

    def check_output(self, command: str, *_: str) -> object:
        program = command.split()[0]
        if program == "podman":
            return json.dumps(self.answers["mounts"])
        return self.answers["kind" if program == "stat" else "old"]

    def file(self, path: str) -> SimpleNamespace:
        name = "mode" if path == PATH else "above"
        return SimpleNamespace(user="root", mode=self.answers[name])


def test_a_cleaned_directory_on_the_disk_passes() -> None:
    assert_temporary_files_on_disk(Host(), "greenlight", "greenlight")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"mounts": []}, "/tmp in the container greenlight is in memory"),
        ({"mounts": [MOUNT | {"Source": "/elsewhere"}]}, "/elsewhere"),
        ({"kind": "tmpfs"}, "is in memory"),
        ({"mode": 0o755}, "the owner root and the mode 755"),
        ({"above": 0o755}, "has the mode 755, not 700"),
        ({"old": f"{PATH}/RackMultipart1"}, "older than two days"),
    ],
)  # fmt: skip
def test_another_place_fails(answers: dict[str, object], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_temporary_files_on_disk(Host(**answers), "greenlight", "greenlight")

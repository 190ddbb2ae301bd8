"""Commands that change secrets.age at the same time lose nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from region_samples import REGION, key_pair, region_file

from chautari.errors import BadInput
from chautari.secrets import file_lock
from chautari.secrets.file_lock import hold_secrets_lock
from chautari.secrets.store import open_secrets_file

MEMBERS = [f"member{number}" for number in range(8)]
JITSI = REGION.replace("{key} ana@laptop", "'{key}'").replace(
    "  nextcloud: {{host",
    f"  jitsi: {{{{host: meet, members: [{', '.join(MEMBERS)}]}}}}\n  nextcloud: {{{{host",
)
JITSI = JITSI.replace("user: debian, port: 2222", "user: debian, port: 2222, services: [jitsi]")
HOLD = (
    "import sys, time; from pathlib import Path; "
    "from chautari.secrets.file_lock import hold_secrets_lock\n"
    "with hold_secrets_lock(Path(sys.argv[1])):\n"
    "    print('holds', flush=True); time.sleep(60)\n"
)


def test_set_in_many_processes_at_once_keeps_every_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path))
    region_file(tmp_path, JITSI, key_pair(tmp_path, "ana"))
    names = [f"jitsi_member_{name}" for name in MEMBERS]
    running = []
    for name in names:
        argv = [sys.executable, "-m", "chautari", "secrets", "set", "andes", name]
        process = subprocess.Popen(
            [*argv, "--identity", str(tmp_path / "ana")], stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(f"canary-word-of-{name}".encode())
        process.stdin.close()
        running.append(process)
    assert [process.wait(120) for process in running] == [0] * len(names)
    opened = open_secrets_file(tmp_path / "andes" / "secrets.age", [tmp_path / "ana"])
    assert {name: opened[name] for name in opened.names} == {
        name: f"canary-word-of-{name}" for name in names
    }
    left = sorted(path.name for path in (tmp_path / "andes").iterdir())
    assert left == ["region.yml", "secrets.age"]


def test_lock_is_held_by_one_process_and_free_after_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secrets.age"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secrets.age").symlink_to(file)  # shares the lock
    monkeypatch.setattr(file_lock, "MAX_WAIT_SECONDS", 0.2)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"holds\n"
    for path in (file, tmp_path / "other" / "secrets.age"):
        with (
            pytest.raises(BadInput, match="another command on this computer has been changing"),
            hold_secrets_lock(path),
        ):
            pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with hold_secrets_lock(file):
        assert os.listdir(tmp_path) == ["other"]


def test_folder_that_cannot_be_locked_is_locked_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    original, calls = file_lock.fcntl.flock, []

    def of_a_network(handle: int, operation: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            raise OSError(9, "Bad file descriptor")
        original(handle, operation)

    monkeypatch.setattr(file_lock.fcntl, "flock", of_a_network)
    with hold_secrets_lock(tmp_path / "secrets.age"):
        assert len(list((tmp_path / "state" / "chautari" / "secrets-locks").iterdir())) == 1
    assert len(calls) == 2

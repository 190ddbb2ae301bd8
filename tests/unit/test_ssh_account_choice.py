"""Which account logs in to a node, and what this computer remembers of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from region_samples import KEY, load_sample_region

from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.ssh import account_choice
from chautari.ssh.account_choice import accounts_to_try, own_accounts
from chautari.ssh.target import SSHTarget, ssh_targets

PIN = "[203.0.113.10]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhvc3Q="


def make_key(folder: Path, name: str, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    file = folder / name
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", name, "-f", str(file)]
    subprocess.run(argv, check=True)
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("remembered", "pinned", "expected"),
    [
        ("", False, ("root", "ana")),  # a new machine has no account of ours
        ("ana", False, ("root", "ana")),  # nor has one that was installed again
        ("", True, ("ana", "root")),
        ("ana", True, ("ana", "root")),
        ("root", True, ("root", "ana")),
        ("luz", True, ("ana", "root")),  # no longer an operator with this key
    ],
)
def test_most_likely_account_comes_first(
    remembered: str, pinned: bool, expected: tuple[str, ...]
) -> None:
    assert accounts_to_try("root", ("ana",), remembered, pinned=pinned) == expected


def test_operator_without_a_known_key_uses_the_configured_account() -> None:
    assert accounts_to_try("debian", (), "ana", pinned=True) == ("debian",)


@pytest.mark.parametrize("passphrase", ["", "a long passphrase"])
def test_own_account_is_that_of_the_key_in_use(tmp_path: Path, passphrase: str) -> None:
    file = make_key(tmp_path, "ana", passphrase=passphrase)
    line = Path(f"{file}.pub").read_text().strip()
    Path(f"{file}.pub").unlink()
    operators = {"luz": (KEY,), "ana": (f"{KEY} old", line)}
    assert own_accounts(operators, file) == ("ana",)
    assert own_accounts({"luz": (KEY,)}, file) == ()


def test_key_without_a_public_part_is_found_beside_it(tmp_path: Path) -> None:
    file = make_key(tmp_path, "ana", kind="rsa")
    line = Path(f"{file}.pub").read_text().strip()
    file.write_text("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")
    assert own_accounts({"ana": (line,)}, file) == ("ana",)


def test_usual_keys_count_if_no_key_is_named(home: Path) -> None:
    line = Path(f"{make_key(home / '.ssh', 'andes')}.pub").read_text().strip()
    assert own_accounts({"ana": (line,), "luz": (KEY,)}, None) == ("ana",)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff" * 100, b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA/////w==\n",
        b"ssh-ed25519\n" * 1000,
    ],
)  # fmt: skip
def test_damaged_key_belongs_to_nobody(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert own_accounts({"ana": (KEY,), "luz": ("ssh-ed25519",)}, file) == ()
    assert own_accounts({"ana": (KEY,)}, tmp_path / "missing") == ()


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}', "null", "x" * 10])
def test_damaged_memory_is_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "memory").write_text(content)
    assert account_choice.load_memory(tmp_path / "memory") == {}


def test_targets_use_the_remembered_account(tmp_path: Path, home: Path) -> None:
    key = make_key(home / ".ssh", "id_ed25519")
    line = Path(f"{key}.pub").read_text().strip()
    loaded = load_sample_region(tmp_path)
    operators = {"ana": (line,), "luz": (KEY,)}
    region = loaded.region.model_copy(update={"operators": operators})
    loaded = loaded._replace(region=region)

    def target() -> SSHTarget:
        return ssh_targets(loaded, PUBLIC_INTERNET, ("bog1",))[0]

    assert (target().user, target().other_users) == ("debian", ("ana",))
    loaded.known_hosts_file.write_text(f"{PIN}\n")
    assert (target().user, target().other_users) == ("ana", ("debian",))
    memory = target().memory
    assert memory is not None
    account_choice.store_account(memory, "203.0.113.10 2222", "debian")
    assert (target().user, target().configured_user) == ("debian", "debian")
    # Another key is another person, or the same one with another account.
    account_choice.store_account(memory, f"203.0.113.10 2222 {key}", "ana")
    named = ssh_targets(loaded, PUBLIC_INTERNET, ("bog1",), (key,))[0]
    assert (named.user, named.other_users) == ("ana", ("debian",))
    assert json.loads(memory.read_text()) == {
        "203.0.113.10 2222": "debian", f"203.0.113.10 2222 {key}": "ana",
    }  # fmt: skip
    assert memory.stat().st_mode & 0o777 == 0o600

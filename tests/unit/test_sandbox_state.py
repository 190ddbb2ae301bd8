"""The saved state of the sandbox, and the spec of its containers."""

from pathlib import Path
from typing import Any

import pytest
from sandbox_samples import STATE

from chautari.errors import BadInput
from chautari.files import write_atomically
from chautari_sandbox import paths, state
from chautari_sandbox.spec import NodeSpec, SandboxSpec, validate_spec


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_state_is_read_back_as_written() -> None:
    state.save_completed_state(STATE)
    assert state.load_last_saved_state("demo") == STATE


def test_state_file_is_private(home: Path) -> None:
    state.save_completed_state(STATE)
    file = home / "chautari" / "sandbox" / "demo" / "state.json"
    assert file.stat().st_mode & 0o777 == 0o600


def test_missing_state_is_none() -> None:
    assert state.load_last_saved_state("nothing") is None


def test_state_of_another_shape_is_none(home: Path) -> None:
    write_atomically(paths.state_dir("demo") / "state.json", '{"name": "demo", "old": 1}')
    assert state.load_last_saved_state("demo") is None


def test_password_is_not_in_the_representation() -> None:
    assert "canary-password" not in repr(STATE)


SPEC = SandboxSpec(
    name="demo",
    zone="example.org",
    network="198.51.100.0/24",
    nodes=(NodeSpec("bog1", "198.51.100.10", "12"),),
)


def test_good_spec_is_accepted() -> None:
    assert validate_spec(SPEC).internet_address == "198.51.100.2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "De_mo"}, "is not a valid name"),
        ({"nodes": (NodeSpec("acme", "198.51.100.9", "12"),)}, "reserves this name"),
        ({"nodes": (NodeSpec("a", "203.0.113.9", "12"),)}, "is not in 198.51.100.0/24"),
        ({"nodes": (NodeSpec("a", "198.51.100.2", "12"),)}, "is in use"),
        ({"nodes": (NodeSpec("a", "198.51.100.7", "12"), NodeSpec("b", "198.51.100.7", "13"))},
         "is in use"),
    ],
)  # fmt: skip
def test_impossible_spec_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        validate_spec(SPEC._replace(**changes))

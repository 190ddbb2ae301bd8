"""A sandbox that runs is taken as it is; one that is not there, or not furnished, is brought up."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from region_samples import POLLS, inventory
from test_sandbox_state import STATE

from chautari.errors import RunFailed
from chautari.region.load import Inventory
from chautari_sandbox import alive, api, archives, authority, images, runtime, setup, state
from chautari_sandbox.provider import internet_of, sandbox_spec, surroundings
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.state import Missing, Repository, SandboxState


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """A region whose sandbox was brought up and runs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = inventory(tmp_path, POLLS)
    brought_up(sandbox_spec(found))
    return found


def described(spec: SandboxSpec) -> SandboxState:
    missing = tuple(Missing(item.name, item.version, "no route") for item in spec.wanted)
    return replace(STATE, name=spec.name, missing=missing)


def brought_up(spec: SandboxSpec) -> SandboxState:
    members = {node.name: node.address for node in spec.nodes}
    alive.remember(spec.name, members, dict.fromkeys(members, os.getpid()))
    return state.save(described(spec))


def ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the sandboxes that are brought up."""
    found: list[str] = []

    def up(spec: SandboxSpec, _: Any) -> SandboxState:
        found.append(spec.name)
        return brought_up(spec)

    monkeypatch.setattr(api, "up", up)
    return found


def test_sandbox_that_runs_is_taken_as_it_is(
    ours: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ups(monkeypatch)
    assert surroundings(ours, print).mail_api == STATE.mail_api
    assert begun == []


def test_sandbox_that_was_never_furnished_does_not_count_as_running(
    ours: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ups(monkeypatch)
    state.begin("andes")
    surroundings(ours, print)
    assert begun == ["andes"]
    surroundings(ours, print)
    assert begun == ["andes"], "it came to its end"


def test_bringing_up_that_breaks_at_its_last_step_is_remembered(
    ours: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = sandbox_spec(ours)
    for module, name in (
        (runtime, "choose"), (archives, "host_targets"), (images, "ensure"),
        (authority, "ensure_authority"), (setup, "start_network"), (setup, "start_internet"),
        (setup, "start_nodes"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda *_: ())
    monkeypatch.setattr(images, "recipes", lambda *_: {})
    monkeypatch.setattr(setup, "shelve", lambda *_: described(spec))
    monkeypatch.setattr(setup, "describe", lambda *_: None)

    def broken(*_: Any) -> None:
        raise RunFailed("a broken pipe")

    monkeypatch.setattr(setup, "refresh", broken)
    with pytest.raises(RunFailed):
        api.up(spec, print)
    assert not state.finished("andes")
    monkeypatch.setattr(setup, "refresh", lambda *_: None)
    api.up(spec, print)
    assert state.finished("andes")


def test_double_is_named_with_its_reason_and_its_limits() -> None:
    packages = Repository("jitsi", "2.0.1", "http://m/jitsi", "http://m/key", "AB", "no route")
    found = internet_of(replace(STATE, repositories=(packages,))).doubles
    assert [item.name for item in found][-1] == "jitsi"
    assert found[-1].reason.startswith("no route (") and "without video" in found[-1].reason

"""The steps of the federation demo that decide what is left to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chautari.errors import BadInput, RunFailed
from chautari_sandbox import podman_commands
from chautari_sandbox.demo_federation import steps
from chautari_sandbox.demo_federation.regions import (
    DemoRegion,
    demo_regions,
    write_missing_region_files,
)
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient

PENDING = {"pair": "pending", "cause": "the handshake goes on", "next_step": "wait"}
URL = "https://himalaya.example.org"
Calls = list[tuple[str, ...]]


@pytest.fixture
def answers() -> dict[str, Any]:
    """Return what `deploy federation …` answers, by verb."""
    return {
        "invite": {"url": URL, "fingerprint": "SHA256:a", "problem": None},
        "list": {"peers": {}},
        "join": {"ok": True},
        "status": {"peers": {"himalaya": PENDING}},
    }  # fmt: skip


@pytest.fixture
def calls(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replace the command, and record its calls."""
    found: Calls = []

    def answer(*arguments: str, **_: object) -> Any:
        found.append(arguments)
        return answers[arguments[1]]

    monkeypatch.setattr(steps, "run_deploy_and_parse_json", answer)
    return found


@pytest.fixture
def pair(tmp_path: Path) -> tuple[DemoRegion, DemoRegion]:
    one, other, _ = demo_regions(tmp_path)
    return one, other


def test_peer_is_pinned_with_the_fingerprint_of_its_invitation(
    pair: tuple[DemoRegion, DemoRegion], calls: Calls
) -> None:
    assert steps.pin_peer_if_new(*pair)
    assert calls[-1] == (
        "federation", "join", "andes", URL, "--fingerprint", "SHA256:a",
    )  # fmt: skip


def test_peer_is_pinned_only_once(
    pair: tuple[DemoRegion, DemoRegion], calls: Calls, answers: dict[str, Any]
) -> None:
    answers["list"]["peers"]["himalaya"] = {"fingerprint": "SHA256:a"}
    assert not steps.pin_peer_if_new(*pair)
    assert [arguments[1] for arguments in calls] == ["invite", "list"]


def test_descriptor_that_others_cannot_use_is_the_reason(
    pair: tuple[DemoRegion, DemoRegion], calls: Calls, answers: dict[str, Any]
) -> None:
    answers["invite"]["problem"] = {"message": "it expired"}
    with pytest.raises(RunFailed, match="the descriptor of himalaya cannot be used: it expired"):
        steps.pin_peer_if_new(*pair)
    assert len(calls) == 1


def test_waiting_for_trust_ends_with_what_the_command_says(
    pair: tuple[DemoRegion, DemoRegion], calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LONGEST_WAIT_FOR_TRUST", -1)
    with pytest.raises(RunFailed, match=r"andes and himalaya: .* the handshake goes on") as failed:
        steps.wait_for_trust(*pair)
    assert calls == [("federation", "status", "andes")]
    assert failed.value.fix == "wait"


@pytest.mark.parametrize("is_own", [True, False])
def test_sandbox_of_another_folder_is_refused(
    pair: tuple[DemoRegion, DemoRegion], monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    owner = str(pair[0].folder.resolve()) if is_own else "/srv/inventories/andes"
    labels = {podman_commands.OWNER: owner}
    container = ExistingContainer("1", "chautari_andes_bog1", "running", labels)
    monkeypatch.setattr(
        PodmanClient,
        "containers_by_member",
        lambda client: {"bog1": container} if client.sandbox == "andes" else {},
    )
    write_missing_region_files(pair[0])
    if is_own:
        steps.refuse_same_names_from_other_folders(pair)
        return
    with pytest.raises(BadInput, match="the sandbox andes of the region in /srv/inventories/andes"):
        steps.refuse_same_names_from_other_folders(pair)

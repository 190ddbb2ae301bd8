"""A running sandbox is reused; one that is missing or incomplete is set up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from region_samples import POLLS, REGION, load_sample_region
from sandbox_samples import STATE

from chautari.errors import BadInput, RunFailed
from chautari.region.load import LoadedRegion
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.services.artifacts import Artifact
from chautari_sandbox import (
    api,
    apt_sources,
    authority,
    capacity,
    images,
    podman_commands,
    port_probes,
    privileges,
    runtime,
    setup,
    state,
)
from chautari_sandbox.internet_endpoints import internet_endpoints
from chautari_sandbox.mirror_folder import (
    forget_mirror_folder,
    spec_with_given_or_last_mirror_folder,
)
from chautari_sandbox.podman_client import ExistingContainer, PodmanClient
from chautari_sandbox.provider import SandboxProvider
from chautari_sandbox.spec import SandboxSpec
from chautari_sandbox.spec_for_region import sandbox_spec
from chautari_sandbox.state import (
    MirroredArtifact,
    RepositoryDouble,
    SandboxState,
    UnavailableArtifact,
)


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedRegion:
    """A region whose sandbox was brought up and runs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(port_probes, "server_greets_with", lambda *_: True)
    found = load_sample_region(tmp_path, POLLS)
    brought_up(sandbox_spec(found))
    return found


def described(spec: SandboxSpec) -> SandboxState:
    missing = tuple(
        UnavailableArtifact(item.name, item.version, "no route") for item in spec.wanted
    )
    nodes = tuple((node.name, node.address) for node in spec.nodes)
    return replace(STATE, name=spec.name, missing=missing, nodes=nodes)


def brought_up(spec: SandboxSpec) -> SandboxState:
    return state.save_completed_state(described(spec))


def ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the sandboxes that are brought up."""
    found: list[str] = []

    def up(spec: SandboxSpec, _: Any) -> SandboxState:
        found.append(spec.name)
        return brought_up(spec)

    monkeypatch.setattr(api, "start_sandbox", up)
    return found


def test_start_reuses_a_running_sandbox(
    ours: LoadedRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ups(monkeypatch)
    assert SandboxProvider().start_endpoints(ours, print).mail_api == STATE.mail_api
    assert begun == []


def test_start_sets_up_a_new_sandbox(ours: LoadedRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = ups(monkeypatch)
    state.mark_unfinished("andes")
    SandboxProvider().start_endpoints(ours, print)
    assert begun == ["andes"]
    SandboxProvider().start_endpoints(ours, print)
    assert begun == ["andes"], "it came to its end"


@pytest.mark.parametrize("silent", [("198.51.100.2", 587), ("203.0.113.20", 22)])
def test_start_sets_up_again_when_a_container_is_silent(
    ours: LoadedRegion, monkeypatch: pytest.MonkeyPatch, silent: tuple[str, int]
) -> None:
    begun = ups(monkeypatch)
    monkeypatch.setattr(
        port_probes, "server_greets_with", lambda *arguments: arguments[:2] != silent
    )
    SandboxProvider().start_endpoints(ours, print)
    assert begun == ["andes"]


def test_start_sets_up_again_when_a_node_or_release_is_missing(
    ours: LoadedRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ups(monkeypatch)
    known = state.load_last_saved_state("andes")
    assert known is not None
    for lacking in (replace(known, nodes=()), replace(known, missing=())):
        state.save_completed_state(lacking)
        SandboxProvider().start_endpoints(ours, print)
    assert begun == ["andes", "andes"]


def test_start_with_a_mirror_sets_up_again(
    ours: LoadedRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = ups(monkeypatch)
    provider = SandboxProvider()
    provider.mirror = tmp_path
    provider.start_endpoints(ours, print)
    assert begun == ["andes"]
    assert spec_with_given_or_last_mirror_folder(sandbox_spec(ours), None).mirror == tmp_path, (
        "it is remembered"
    )
    forget_mirror_folder("andes")
    assert spec_with_given_or_last_mirror_folder(sandbox_spec(ours), None).mirror is None


def test_known_endpoints_start_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    begun = ups(monkeypatch)
    assert SandboxProvider().known_endpoints(load_sample_region(tmp_path, POLLS)) is PUBLIC_INTERNET
    assert begun == []


def test_real_region_has_no_sandbox(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a real region"):
        sandbox_spec(load_sample_region(tmp_path, REGION))


def test_failure_at_the_last_step_sets_up_again_next_time(
    ours: LoadedRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = sandbox_spec(ours)
    for module, name in (
        (runtime, "working_podman_command"), (apt_sources, "host_apt_index_targets_text"),
        (images, "build_missing_images"),
        (authority, "ensure_authority"), (setup, "ensure_network"), (setup, "start_internet"),
        (setup, "start_nodes"), (runtime, "require_podman"), (images, "missing_images"),
        (capacity, "require_room_for_containers"), (capacity, "require_forwarding"),
        (privileges, "require_root_access"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda *_: ())
    monkeypatch.setattr(images, "image_recipes", lambda *_: {})
    monkeypatch.setattr(PodmanClient, "containers_by_member", lambda _: {})
    monkeypatch.setattr(setup, "publish_artifacts", lambda *_: described(spec))
    monkeypatch.setattr(setup, "initial_state", lambda *_: None)

    def broken(*_: Any) -> None:
        raise RunFailed("a broken pipe")

    monkeypatch.setattr(setup, "update_trust_and_proxies", broken)
    with pytest.raises(RunFailed):
        api.start_sandbox(spec, print)
    assert not state.is_start_finished("andes")
    monkeypatch.setattr(setup, "update_trust_and_proxies", lambda *_: None)
    api.start_sandbox(spec, print)
    assert state.is_start_finished("andes")


def test_sandbox_of_another_account_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    labels = {podman_commands.MEMBER: "bog1", podman_commands.OWNER: "/home/luz/andes"}
    theirs = ExistingContainer("0123", "chautari_andes_bog1", "running", labels)
    monkeypatch.setattr(PodmanClient, "containers_by_member", lambda _: {"bog1": theirs})
    monkeypatch.setattr(privileges, "require_root_access", lambda: None)
    monkeypatch.setattr(runtime, "require_podman", lambda: None)
    monkeypatch.setattr(runtime, "working_podman_command", lambda: ("podman",))
    with pytest.raises(
        BadInput, match=r"another account .* for the region in /home/luz/andes"
    ) as refused:
        api.start_sandbox(sandbox_spec(load_sample_region(tmp_path, POLLS)), print)
    assert refused.value.fix.endswith("deploy sandbox down andes")
    assert not state.is_sandbox_known("andes")


def test_double_is_named_with_its_reason_and_its_limits() -> None:
    packages = RepositoryDouble(
        "jitsi", "2.0.1", "http://m/jitsi", "http://m/key", "AB", "no route"
    )
    found = internet_endpoints(replace(STATE, repositories=(packages,))).doubles
    assert [item.name for item in found][-1] == "jitsi"
    assert found[-1].reason.startswith("no route (") and "without video" in found[-1].reason


def test_older_releases_do_not_replace_the_one_to_install() -> None:
    new = MirroredArtifact("nextcloud", "35.0.2", "n", "http://mirror.example.org/n", "a" * 64)
    old = replace(new, version="34.0.1", url="http://mirror.example.org/o", older=True)
    found = internet_endpoints(replace(STATE, artifacts=(new, old)))
    assert found.artifacts["nextcloud"].version == "35.0.2"
    assert found.older_artifacts is not None
    assert found.older_artifacts[("nextcloud", "34.0.1")].url == old.url


def test_sandbox_serves_the_releases_on_the_way_that_the_region_pins(ours: LoadedRegion) -> None:
    pin = Artifact("nextcloud", "33.0.1", "https://example.org/nextcloud-33.0.1.zip", "a" * 64)
    ours.releases["nextcloud"]["33.0.1"] = pin
    older = [item for item in sandbox_spec(ours).wanted if item.older]
    assert [(item.name, item.version) for item in older] == [("nextcloud", "33.0.1")]

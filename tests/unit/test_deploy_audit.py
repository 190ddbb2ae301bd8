"""What a deploy brings is named for the audit log, and no secret is in it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from region_samples import KEY, load_sample_region

from chautari.deploy.audit import brought_to_node
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.role_inputs import RECEIPT_KEY
from chautari.secrets.required_secrets import secret_names_of_node
from chautari.secrets.store import SecretStore


def context(folder: Path, **values: str) -> Any:
    loaded = load_sample_region(folder)
    names = (RECEIPT_KEY, *secret_names_of_node(loaded.region, "bog1"))
    secrets = SecretStore({name: f"canary-{name}" for name in names} | values, ())
    return SimpleNamespace(loaded_region=loaded, endpoints=PUBLIC_INTERNET, secrets=secrets)


def test_names_have_digests_and_no_values(tmp_path: Path) -> None:
    brought = brought_to_node(context(tmp_path), "bog1")
    assert list(brought) == ["operators", "secrets", "peers"]
    assert list(brought["operators"]) == ["ana"]
    assert brought["operators"]["ana"].startswith("SHA256:")
    assert KEY.split()[1] not in str(brought)
    assert brought["secrets"] and RECEIPT_KEY not in brought["secrets"]
    assert "canary" not in str(brought["secrets"].values())


def test_digest_changes_with_the_value_and_the_key(tmp_path: Path) -> None:
    first = brought_to_node(context(tmp_path / "a"), "bog1")["secrets"]
    [name, *others] = first
    second = brought_to_node(context(tmp_path / "b", **{name: "new"}), "bog1")["secrets"]
    assert first[name] != second[name]
    assert [first[other] for other in others] == [second[other] for other in others]
    third = brought_to_node(context(tmp_path / "c", **{RECEIPT_KEY: "new"}), "bog1")["secrets"]
    assert first[name] != third[name]

"""What all unit tests share: the sandbox is installed, whatever this environment has."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint

import pytest
from region_samples import ROOT

from chautari.render import provider


def sandbox_entry_point() -> EntryPoint:
    """Return the entry point that chautari-sandbox declares."""
    project = tomllib.loads((ROOT / "tool/chautari_sandbox/pyproject.toml").read_text())["project"]
    [(name, value)] = project["entry-points"][provider.GROUP].items()
    return EntryPoint(name, value, provider.GROUP)


@pytest.fixture(autouse=True)
def sandbox_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the sandbox as an installed package would be found; loaded only when it is used."""
    monkeypatch.setattr(provider, "find_provider", sandbox_entry_point().load)

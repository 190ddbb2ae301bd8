"""Sandboxes of other regions on this machine, which a region reaches by name and trusts.

A region lists its neighbours in `sandbox: {neighbours: […]}`; a link needs one of the two lists.
Each start of a sandbox updates both sides, since the roots of an ACME server change at each start.
"""

from __future__ import annotations

from collections.abc import Iterator

from chautari_sandbox import paths, state
from chautari_sandbox.state import SandboxState


def started_neighbours_listed_by_either(
    name: str, listed: tuple[str, ...]
) -> tuple[SandboxState, ...]:
    """Return the other sandboxes that were started here, and that either side lists."""
    return tuple(
        other
        for other in _states_of_other_sandboxes(name)
        if other.name in listed or name in other.neighbours
    )


def _states_of_other_sandboxes(name: str) -> Iterator[SandboxState]:
    home = paths.states_home()
    for folder in sorted(home.iterdir()) if home.is_dir() else ():
        found = state.load_last_saved_state(folder.name) if folder.name != name else None
        if found is not None:
            yield found


def own_ca_certificates_of_sandbox(name: str) -> tuple[str, ...]:
    """Return the authorities of a sandbox, each as one certificate, with its ACME roots last."""
    folder = paths.state_dir(name) / "tls"
    roots = (folder / "acme-roots").glob("*.crt")
    files = (folder / "sandbox-ca.crt", *sorted(roots, key=lambda path: path.stat().st_mtime_ns))
    return tuple(file.read_text() for file in files if file.is_file())

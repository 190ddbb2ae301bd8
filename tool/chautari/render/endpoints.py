"""What surrounds a region: the public internet, or a sandbox's small one.

Everything that differs between the two is in this one value, so that roles, checks and the
pipeline know no sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from chautari.services.artifacts import Artifact, PackageRepository


class ArtifactReplacement(NamedTuple):
    """Which upstream artifact a double replaces, at which version, and why."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class Endpoints:
    """Where names, certificates, mail and downloads come from.

    Attributes:
        acme_directory: overrides the region's ACME directory.
        ca_file: PEM bundle to verify the services with; None for the system's.
        resolver: IP address of the DNS server to ask; None for the system's.
        ssh_key: private key to log in with; None for the person's own.
        operators: people who may log in beside the region's, with their public keys.
        secrets: secrets that the surroundings know, by name.
        artifacts: pinned files that take the place of upstream's, by name.
        older_artifacts: pinned files of older versions that take the place of upstream's, by name
            and version; None where upstream's are used.
        repositories: package repositories that take the place of upstream's, by name.
        missing: artifacts that cannot be had here, with the reason.
        doubles: which of the artifacts are doubles.
        mail_api: where the mail sink can be asked what arrived.
        peer_networks: networks without public addresses in which peers may be.
        peer_gateway: address that connections of peers come from in place of the peers' own; None
            where they keep their own.
    """

    acme_directory: str | None = None
    ca_file: Path | None = None
    resolver: str | None = None
    ssh_key: Path | None = None
    operators: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    older_artifacts: dict[tuple[str, str], Artifact] | None = None
    repositories: dict[str, PackageRepository] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    doubles: tuple[ArtifactReplacement, ...] = ()
    mail_api: str | None = None
    peer_networks: tuple[str, ...] = ()
    peer_gateway: str | None = None

    def available_artifacts(self, artifacts: Iterable[Artifact]) -> list[Artifact]:
        """Return where those of some files come from that can be had here."""
        if self.older_artifacts is None:
            return list(artifacts)
        served = (self.older_artifacts.get((item.name, item.version)) for item in artifacts)
        return [item for item in served if item is not None]

    def is_double(self, name: str) -> bool:
        """Return whether the artifact called `name` is a double here."""
        return any(item.name == name for item in self.doubles)


PUBLIC_INTERNET = Endpoints()

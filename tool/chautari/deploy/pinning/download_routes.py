"""Independent ways on which a file can be had: this machine, a mirror folder, a node."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from chautari.deploy.pinning.refusal import PinRefused
from chautari.deploy.pinning.signatures import file_digest
from chautari.files import refuse_special_file
from chautari.language import Text, _
from chautari.node.events import ArtifactDigestAnswer
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget

THIS_MACHINE: Text = "this machine's connection"


class RemoteFile(NamedTuple):
    """A file at upstream: its address, the hosts it may come from, and its largest size.

    Attributes:
        headers: of the request; a registry's token for anonymous reading may be among them.
    """

    name: str
    version: str
    url: str
    hosts: tuple[str, ...]
    max_bytes: int
    headers: Mapping[str, str] = MappingProxyType({})


class DownloadRoute(NamedTuple):
    """A way on which a file arrives, and what returns its digest; None if it has no such file."""

    name: str
    sha256: Callable[[RemoteFile], str | None]


def additional_download_routes(
    mirrors: Sequence[Path], nodes: Sequence[SSHTarget]
) -> list[DownloadRoute]:
    """Return the ways besides this machine's own connection."""
    found = [
        DownloadRoute(_("the folder {folder}", folder=folder), _make_mirror_digest_function(folder))
        for folder in mirrors
    ]
    return found + [
        DownloadRoute(_("the node {name}", name=target.name), _make_node_digest_function(target))
        for target in nodes
    ]


def find_file_in_mirror(folder: Path, file: RemoteFile) -> Path | None:
    """Return the file in a mirror folder, which has upstream's name for it."""
    path = folder / file.url.rpartition("/")[2]
    if not path.is_file():
        return None
    refuse_special_file(path)
    return path


def _make_mirror_digest_function(folder: Path) -> Callable[[RemoteFile], str | None]:
    def digest(file: RemoteFile) -> str | None:
        path = find_file_in_mirror(folder, file)
        return file_digest(path) if path else None

    return digest


def _make_node_digest_function(target: SSHTarget) -> Callable[[RemoteFile], str | None]:
    def digest(file: RemoteFile) -> str | None:
        arguments = {
            "action": "artifact_digest",
            "url": file.url,
            "hosts": list(file.hosts),
            "max_bytes": file.max_bytes,
            "headers": dict(file.headers),
        }
        reply = call_runner(target, arguments, ArtifactDigestAnswer)
        answer = reply.answer
        problem = answer["error"] if answer else reply.last_error or _("no answer")
        if answer is None or problem or not re.fullmatch("[0-9a-f]{64}", answer["sha256"]):
            raise PinRefused(
                "digest_unknown",
                way=_("the node {name}", name=target.name),
                name=file.name,
                version=file.version,
                detail=problem or _("no digest"),
            )
        return answer["sha256"]

    return digest

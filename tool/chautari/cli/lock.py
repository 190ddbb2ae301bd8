"""`deploy lock NAME`: checks releases without a pin, and writes their pins."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.deploy import logs_and_commands
from chautari.deploy.pinning.lock_file import Pin, add_pins_to_lock_file
from chautari.deploy.pinning.release_verification import (
    LockRequest,
    LockResult,
    fetch_and_check_releases,
    parse_name_equals_version,
)
from chautari.deploy.pinning.upgrades import AvailableUpgrade, available_upgrades
from chautari.deploy.request import Request
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.report import messages
from chautari.report.text_format import to_one_line
from chautari.services.artifact_sources import MissingPin

PROGRESS_SECONDS = 10


@click.command("lock")
@region_argument
@click.option(
    "--pin", "wanted", multiple=True, metavar="NAME=VERSION",
    help="Pin this release too, for example before an upgrade. You can repeat this option.",
)  # fmt: skip
@click.option(
    "--mirror", "mirrors", multiple=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Use the files in this folder, too. Keep the file names of the original downloads. You "
    "can repeat this option.",
)  # fmt: skip
@click.option(
    "--via-node", "nodes", multiple=True, metavar="NODE",
    help="Download the file on this node as well, and compare both downloads. You can repeat "
    "this option.",
)  # fmt: skip
@click.option(
    "--upgrade", is_flag=True, help="Show newer releases and how to upgrade to them; pin nothing."
)
@click.option(
    "--yes", is_flag=True,
    help="Also pin a file that was downloaded over only one connection and that has no "
    "signature.",
)  # fmt: skip
@identity_option
@json_option
def command(
    name: str,
    wanted: tuple[str, ...],
    mirrors: tuple[Path, ...],
    nodes: tuple[str, ...],
    upgrade: bool,
    yes: bool,
    identities: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Check each release that a region needs but that has no pin, and pin it in artifacts.lock.

    The command downloads each release and checks upstream's checksum and signature. If upstream
    publishes neither, two downloads over independent connections must be the same, for example over
    your connection and over that of a node (--via-node). Nothing is unpacked.

    \b
    deploy lock andes
    deploy lock andes --via-node bog1
    deploy lock andes --upgrade
    """
    file = find_region_file(name, regions_root())
    if upgrade:
        return _print_available_upgrades(load_region(file), as_json)
    loaded_region = load_region(file, with_pins=False)
    request = Request(loaded_region, "deploy lock", nodes=nodes, identities=identities)
    targets = logs_and_commands.targets_of_nodes(request, request.node_names()) if nodes else []
    result = fetch_and_check_releases(
        LockRequest(
            loaded_region,
            consent=lambda pin: yes or _ask_for_consent_to_pin(pin),
            progress=_DownloadProgressLines(),
            wanted=tuple(map(_parse_pin_option, wanted)),
            mirrors=mirrors,
            nodes=tuple(targets),
        )
    )
    lock_file = add_pins_to_lock_file(loaded_region.folder, result.pins) if result.pins else None
    _print_lock_result(loaded_region, result, lock_file, as_json)
    return 1 if result.refused else 0


def _parse_pin_option(text: str) -> MissingPin:
    try:
        return parse_name_equals_version(text)
    except ValueError:
        raise click.UsageError(
            _("{text!r} is not a release. Fix: write --pin NAME=VERSION.", text=text)
        ) from None


def _ask_for_consent_to_pin(pin: Pin) -> bool:
    """Explain what is not certain, and ask; without a terminal the answer is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    echo(
        _(
            "Upstream publishes no checksum and no signature for {name} {version}. The file "
            "was downloaded only over {ways}.\n"
            "If someone changed the file during the download, this pin would accept the changed "
            "file. Its SHA-256 is:\n"
            "  {sha256}\n"
            "Ask someone who uses another internet connection to download the file, and "
            "compare the SHA-256. Or let a node download it: --via-node NODE.",
            name=pin.name,
            version=pin.version,
            ways=", ".join(map(_, pin.ways)),
            sha256=pin.sha256,
        ),
        err=True,
    )
    return click.confirm(_("Pin this file?"), default=False, err=True)


class _DownloadProgressLines:
    """Prints how much of a download has arrived, now and then."""

    def __init__(self) -> None:
        self._last = 0.0
        self._release: MissingPin | None = None

    def __call__(self, release: MissingPin, size: int, total: int | None) -> None:
        """Print a line if the last one is some seconds old, or was about another release."""
        now = time.monotonic()
        if release == self._release and now - self._last < PROGRESS_SECONDS:
            return
        self._release, self._last = release, now
        of = _(" of {total:.1f}", total=total / 1e6) if total else ""
        echo(
            _(
                "{name} {version}: {size:.1f}{of} MB",
                name=release.name,
                version=release.version,
                size=size / 1e6,
                of=of,
            ),
            err=True,
        )


def _print_lock_result(
    loaded_region: LoadedRegion, result: LockResult, lock_file: Path | None, as_json: bool
) -> None:
    region = loaded_region.region.region
    if as_json:
        refused = [
            {**item.release._asdict(), **item.refusal.as_object()} for item in result.refused
        ]
        pinned = [pin._asdict() for pin in result.pins]
        print_json({"region": region, "ok": not refused, "pinned": pinned, "refused": refused})
        return
    for pin in result.pins:
        echo(
            _(
                "pinned {name} {version} ({signer})",
                name=pin.name,
                version=pin.version,
                signer=pin.signer or _download_routes_text(list(map(_, pin.ways))),
            )
        )
    for item in result.refused:
        label = f"{item.release.name} {item.release.version}".strip()
        echo(
            _("refused {label}: {message}", label=label, message=to_one_line(item.refusal.message))
        )
        echo(_("  Fix: {fix}", fix=to_one_line(item.refusal.fix)))
    if lock_file:
        echo(
            _(
                "Wrote {lock_file}. Next: git add {lock_file}, then deploy plan {region}",
                lock_file=lock_file,
                region=region,
            )
        )
    elif not result.refused:
        echo(
            _(
                "Every release that {region} needs is pinned. To see newer releases, add --upgrade",
                region=region,
            )
        )


def _download_routes_text(routes: Sequence[str]) -> str:
    return (
        _("the same file over {routes}", routes=_(" and ").join(routes))
        if len(routes) > 1
        else _("only over {routes}", routes=routes[0])
    )


def _print_available_upgrades(loaded_region: LoadedRegion, as_json: bool) -> int:
    """Print newer releases, the command that pins each, and the setting that selects it."""
    found, comparison = available_upgrades(loaded_region)
    region = loaded_region.region.region
    if as_json:
        print_json({"region": region, "upgrades": found, **comparison})
        return 0
    for item in found:
        echo(messages.status_text("release_outdated", _upgrade_as_object(item)))
        if not item["pin"]:
            echo(_("  To upgrade: install a new version of Chautari, then deploy."))
            continue
        echo(_("  Pin: deploy lock {region} --pin {pin}", region=region, pin=item["pin"]))
        if item["setting"]:
            echo(_("  To upgrade, change region.yml: {setting}", setting=item["setting"]))
        else:
            echo(_("  To upgrade: deploy."))
    if not found:
        echo(_("No newer releases are known."))
    return 0


def _upgrade_as_object(item: AvailableUpgrade) -> dict[str, Any]:
    return dict(item)

"""Finds what surrounds a region: the public internet, or what an installed provider supplies.

A provider is a package that registers one object under the entry-point group `GROUP`, as
chautari-sandbox does. It is loaded for a region with `sandbox:` and for its own commands and
options; a deploy of a real region never imports it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from chautari import __version__
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import content_root, is_checkout
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints

if TYPE_CHECKING:
    import click

    from chautari.region.load import LoadedRegion

GROUP = "chautari.endpoints"
ReportProgress = Callable[[str], None]


class DoctorFinding(NamedTuple):
    """One thing that this machine must have; `fix` is empty when it is there."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


class EndpointsProvider(Protocol):
    """Supplies the endpoints of regions with `sandbox:`, and the commands that go with them."""

    def known_endpoints(self, loaded_region: LoadedRegion) -> Endpoints:
        """Return the region's endpoints without starting anything."""

    def start_endpoints(
        self, loaded_region: LoadedRegion, report_progress: ReportProgress
    ) -> Endpoints:
        """Start what the region's endpoints need, and return them."""

    def stop_endpoints(self, loaded_region: LoadedRegion) -> None:
        """Remove what `start_endpoints` started, with its keys."""

    def subcommand(self) -> click.Command:
        """Return the subcommand `deploy sandbox`."""

    def extra_command_options(self) -> Sequence[click.Option]:
        """Return further options of commands that start endpoints; none passes on its value."""

    def doctor_findings(self) -> Sequence[DoctorFinding]:
        """Return what this machine has and lacks, in the order in which it should be fixed."""


def known_endpoints(loaded_region: LoadedRegion) -> Endpoints:
    """Return what surrounds the region, without starting anything.

    Raises:
        BadInput: when the region needs a provider and none is installed.
    """
    if loaded_region.region.sandbox is None:
        return PUBLIC_INTERNET
    return require_endpoints_provider(
        _("{region} has `sandbox:`", region=loaded_region.region.region)
    ).known_endpoints(loaded_region)


def ensure_endpoints(loaded_region: LoadedRegion, report_progress: ReportProgress) -> Endpoints:
    """Return what surrounds the region; a sandbox that is not running is started.

    Raises:
        BadInput: when the region needs a provider and none is installed.
        RunFailed: when the provider cannot start what the region needs.
    """
    if loaded_region.region.sandbox is None:
        return PUBLIC_INTERNET
    provider = require_endpoints_provider(
        _("{region} has `sandbox:`", region=loaded_region.region.region)
    )
    return provider.start_endpoints(loaded_region, report_progress)


def require_endpoints_provider(reason: str) -> EndpointsProvider:
    """Return the installed provider.

    Raises:
        BadInput: when none is installed; `reason` says what needs it.
    """
    provider = find_provider()
    if provider is None:
        raise BadInput(
            _("{reason}, but the sandbox package is not installed", reason=reason),
            fix=_("install it: {command}", command=install_step()),
        )
    return provider


def install_step() -> str:
    """Return how to install the sandbox, which no package index has."""
    if is_checkout():
        return f"make -C {shlex.quote(str(content_root()))} setup"
    return _(
        "pip install {file} (`make wheels` in a clone of Chautari builds this file)",
        file=f"chautari_sandbox-{__version__}-py3-none-any.whl",
    )


@cache
def find_provider() -> EndpointsProvider | None:
    """Return the installed provider, or None when there is none."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return cast("EndpointsProvider", found[0].load()) if found else None

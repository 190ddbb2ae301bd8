"""The entry point `chautari.endpoints`: plugs the sandbox into the product.

A deploy to a running sandbox needs neither podman nor commands nor findings. To import them costs
20 ms of CPU, so each method imports its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chautari.region.load import LoadedRegion
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.render.provider import DoctorFinding, ReportProgress
from chautari_sandbox import liveness, state
from chautari_sandbox.internet_endpoints import internet_endpoints
from chautari_sandbox.mirror_folder import spec_with_given_or_last_mirror_folder
from chautari_sandbox.spec_for_region import sandbox_spec

if TYPE_CHECKING:
    import click


class SandboxProvider:
    """Supplies the endpoints of regions that run in containers on this machine.

    Attributes:
        mirror: the folder that `--mirror` named for this command; None when it named none.
    """

    def __init__(self) -> None:
        """Serve what earlier commands named."""
        self.mirror: Path | None = None

    def known_endpoints(self, loaded_region: LoadedRegion) -> Endpoints:
        """Return what the last start left; before the first one, the public internet."""
        known = state.load_last_saved_state(loaded_region.region.region)
        return PUBLIC_INTERNET if known is None else internet_endpoints(known)

    def start_endpoints(
        self, loaded_region: LoadedRegion, report_progress: ReportProgress
    ) -> Endpoints:
        """Return the endpoints of the region's sandbox; one that is not running is started."""
        spec = spec_with_given_or_last_mirror_folder(sandbox_spec(loaded_region), self.mirror)
        known = state.load_last_saved_state(spec.name)
        if (
            known is None
            or self.mirror is not None
            or not liveness.is_sandbox_running_as_specified(spec, known)
        ):
            from chautari_sandbox import api

            known = api.start_sandbox(spec, report_progress)
        return internet_endpoints(known)

    def stop_endpoints(self, loaded_region: LoadedRegion) -> None:
        """Remove the region's sandbox, with its keys."""
        from chautari_sandbox import api

        api.remove_sandbox(loaded_region.region.region, purge=True)

    def subcommand(self) -> click.Command:
        """Return `deploy sandbox`."""
        from chautari_sandbox import commands

        return commands.sandbox_group

    def extra_command_options(self) -> Sequence[click.Option]:
        """Return `--mirror`."""
        from chautari_sandbox import commands

        return [commands.mirror_option(self._set_mirror_folder)]

    def doctor_findings(self) -> Sequence[DoctorFinding]:
        """Return what this machine has and lacks for a sandbox."""
        from chautari_sandbox import doctor

        return doctor.doctor_findings()

    def _set_mirror_folder(
        self, _: click.Context, __: click.Parameter, folder: Path | None
    ) -> None:
        self.mirror = folder


PROVIDER = SandboxProvider()

"""Newer releases of what a region installs, and what an upgrade to them would change."""

from __future__ import annotations

from chautari.deploy.outdated import OutdatedRelease, ReleaseComparison, compare_with_upstream
from chautari.deploy.pinning import release_verification
from chautari.region.load import LoadedRegion
from chautari.region.model import Region


class AvailableUpgrade(OutdatedRelease):
    """A newer release: what pins it, and what selects it in `region.yml`.

    `pin` is empty for software from package repositories, which this toolkit selects. `setting` is
    empty where the newest pin counts.
    """

    pin: str
    setting: str


def available_upgrades(
    loaded_region: LoadedRegion,
) -> tuple[list[AvailableUpgrade], ReleaseComparison]:
    """Return the newer releases with their effect, and the whole comparison."""
    comparison = compare_with_upstream(loaded_region)
    region = loaded_region.region
    pinnable = {
        *release_verification.archive_sources_by_name(),
        *release_verification.container_images_by_name(),
    }
    found: list[AvailableUpgrade] = []
    for item in comparison["outdated"] or ():
        # A series is upgraded first; the next one may need a newer platform.
        same = item["newest_of_series"]
        version = same if same != item["version"] else item["newest"]
        pin = f"{item['name']}={version}" if item["name"] in pinnable else ""
        setting = _version_setting_of(region, item["name"], version) if pin else ""
        found.append({**item, "pin": pin, "setting": setting})
    return found, comparison


def _version_setting_of(region: Region, name: str, version: str) -> str:
    """Return the setting that selects a release; empty where the newest pin is installed."""
    for node in region.nodes:
        for service in region.services_of(node):
            if name not in (service.name, service.role_and_artifact_name):
                continue
            if service.settings and "version" in service.settings.model_fields:
                fixed = getattr(
                    region.services.settings_or_defaults_of(service.name), "version", None
                )
                if service.image is None or fixed is not None:
                    return f"services: {{{service.name}: {{version: {version}}}}}"
    return ""

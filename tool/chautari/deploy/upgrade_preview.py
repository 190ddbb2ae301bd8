"""An upgrade of one service: the region as it would be, and the commands that follow."""

from __future__ import annotations

from chautari.errors import BadInput
from chautari.language import _
from chautari.region import rules
from chautari.region.load import LoadedRegion
from chautari.services.registry import SERVICES


def services_with_selectable_release(loaded_region: LoadedRegion) -> tuple[str, ...]:
    """Return the services of a region whose release `version` in region.yml selects."""
    region = loaded_region.region
    return tuple(
        name
        for name in region.services_with_public_name()
        if (settings := SERVICES[name].settings) and "version" in settings.model_fields
    )


def requested_or_first_service_to_upgrade(loaded_region: LoadedRegion, service: str) -> str:
    """Return the service to upgrade; without a name, the first one.

    Raises:
        BadInput: when the region does not have it.
    """
    known = services_with_selectable_release(loaded_region)
    if not known:
        raise BadInput(
            _("this region has no service whose release you can select"),
            fix=_("add a service with a setting `version` to the services of a node"),
        )
    found = service or known[0]
    if found not in known:
        raise BadInput(
            _("{found!r} has no setting `version` in this region", found=found),
            fix=_("choose one of: {known}", known=", ".join(known)),
        )
    return found


def region_with_version(
    loaded_region: LoadedRegion, service: str, version: str | None
) -> LoadedRegion:
    """Return the region with another `version` of a service; None selects the newest release.

    Raises:
        BadInput: when the rules of the region do not allow this version.
    """
    region = loaded_region.region
    settings = region.services.settings_or_defaults_of(service)
    assert settings is not None
    changed = settings.model_validate(
        settings.model_dump(exclude_unset=True, exclude={"version"}, by_alias=True)
        | ({"version": version} if version else {})
    )
    services = region.services.model_copy(update={service: changed})
    upgraded = region.model_copy(update={"services": services})
    wrong = [
        text
        for path, text in rules.find_rule_violations(upgraded, loaded_region.releases)
        if path[:2] == ("services", service)
    ]
    if wrong:
        raise BadInput(wrong[0], fix=_("choose another version with --to"))
    return loaded_region._replace(region=upgraded)

"""The settings of a region's services, collected from the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, create_model

from chautari.region.base import StrictModel
from chautari.services.registry import SERVICES

Settings = TypeVar("Settings", bound=StrictModel)


class SettingsByService(StrictModel):
    """Settings of the region's services; a node's `services` list decides where each one runs."""

    def has_settings_for(self, service: str) -> bool:
        """Return whether the region has settings for `service`."""
        return getattr(self, service, None) is not None

    def settings_or_defaults_of(self, service: str) -> StrictModel | None:
        """Return the settings of `service`, its defaults where the region has none.

        An auxiliary service has no settings.
        """
        found: StrictModel | None = getattr(self, service, None)
        model = SERVICES[service].settings
        return found or (model() if model else None)

    def settings_of_type_or_defaults(self, model: type[Settings]) -> Settings:
        """Return the settings of type `model`, its defaults where the region has none."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return next((item for item in values if isinstance(item, model)), None) or model()

    def configured_services(self) -> tuple[str, ...]:
        """Return the names of the services that have settings."""
        return tuple(name for name in type(self).model_fields if self.has_settings_for(name))


def _field_per_service() -> Mapping[str, Any]:
    return {
        service.name: (
            service.settings | None,
            Field(
                default=None,
                description=f"{service.title}: {service.summary}.",
                examples=[dict(service.example)],
            ),
        )
        for service in SERVICES.values()
        if service.settings is not None
    }


if TYPE_CHECKING:
    Services = SettingsByService
else:
    Services = create_model(
        "Services",
        __base__=SettingsByService,
        __doc__=SettingsByService.__doc__,
        __module__=__name__,
        **_field_per_service(),
    )

"""Votes on dates and other choices; the app that runs them is chosen in `region.yml`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chautari.services.base import FrontPageEntry, Service
from chautari.services.polls import sources, variables
from chautari.services.polls.poll_apps import APPS, NAME
from chautari.services.polls.rules import RULES
from chautari.services.polls.settings import Polls

if TYPE_CHECKING:
    from chautari.region.model import Region


def service_for_region(region: Region) -> Service:
    """Return the service with the app that the region names."""
    return service_with_app(region.settings_of(Polls).app)


def service_with_app(name: str) -> Service:
    """Return the service as the app called `name` runs it."""
    app = APPS[name]
    return replace(
        SERVICE,
        app=name,
        roles=(*app.roles, name),
        databases=app.databases,
        state=app.state,
        secrets=app.secret_specs(),
        variables={name: variables.app_variables},
        front_page=FrontPageEntry("/", app.start_page_text, lambda _: "none"),
        release_tags=(app.release_tags,),
        translations=lambda _: app.translations,
        logs_and_commands=app.logs_and_commands,
    )


SERVICE = Service(
    name=NAME,
    title="Polls",
    summary="votes on dates and other choices",
    page="framadate",
    settings=Polls,
    example={"app": "framadate", "host": "polls"},
    roles=(),
    own_roles=tuple(app.own_role() for app in APPS.values()),
    releases=tuple(app.release for app in APPS.values() if app.release.sha256),
    archives=tuple(APPS),
    sources=tuple(app.source for app in APPS.values()),
    missing_pins=sources.missing_pins,
    artifacts=variables.archives_to_download,
    sends_mail=True,
    check_mailbox="chautari-polls",
    rules=RULES,
    access_details_for_report=variables.access_details_for_report,
    service_for_region=service_for_region,
)

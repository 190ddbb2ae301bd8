"""The apps that can run a region's polls: one entry each.

Everything else of an app is in its role, which is named after it. The service is made from the
entry, so adding an app changes nothing else (docs/decisions/0006-polls.md).
"""

from __future__ import annotations

from typing import NamedTuple

from chautari.language import N_, _
from chautari.region.operating_systems import PHP_OF
from chautari.services.artifact_sources import ArtifactSource
from chautari.services.artifacts import Artifact
from chautari.services.base import Role
from chautari.services.languages import Translations, split_language_names
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand, site_error_log
from chautari.services.release_tags import ReleaseTags
from chautari.services.secret_spec import SecretSpec
from chautari.services.state import State

NAME = "polls"


class PollApp(NamedTuple):
    """One app and what it needs.

    Attributes:
        title: its name for people.
        release: the release that is installed; its `sha256` is empty where upstream has none.
        source: where its releases come from.
        roles: the roles that its own role needs on the node.
        databases: names of databases by the role that creates them; owners are named the same.
        state: what a backup stores of it, besides its databases.
        secrets: secrets that are generated for it, with their meaning.
        translations: the languages of its release.
        release_tags: where upstream names its releases.
        php: the oldest and the newest PHP that it was seen to run on; None where it needs none.
        start_page_text: text that its start page contains in every language.
        logs_and_commands: its units, log files and commands on a node.
    """

    title: str
    release: Artifact
    source: ArtifactSource
    roles: tuple[str, ...]
    databases: dict[str, tuple[str, ...]]
    state: State
    secrets: dict[str, str]
    translations: Translations
    release_tags: ReleaseTags
    php: tuple[tuple[int, int], tuple[int, int]] | None
    start_page_text: str = ""
    logs_and_commands: LogsAndCommands = LogsAndCommands()

    def supports_os(self, os: str) -> bool:
        """Return whether the app runs on the PHP that `os` ships."""
        return self.php is None or self.php[0] <= PHP_OF[os] <= self.php[1]

    def own_role(self) -> Role:
        """Return the app's own role."""
        return Role(self.release.name, self.title, after=self.roles)

    def secret_specs(self) -> tuple[SecretSpec, ...]:
        """Return the app's secrets."""
        return tuple(SecretSpec(name, NAME, meaning) for name, meaning in self.secrets.items())


APPS: dict[str, PollApp] = {
    # 1.1.19 is upstream's last stable release; it is in maintenance mode. Upstream publishes no
    # checksum of the archive, so a region pins its own in `artifacts.lock`.
    "framadate": PollApp(
        title="Framadate",
        release=Artifact(
            "framadate",
            "1.1.19",
            "https://packages.framasoft.org/projects/framadate/framadate-1.1.19.zip",
            "",
        ),
        source=ArtifactSource(
            name="framadate",
            url="https://packages.framasoft.org/projects/framadate/framadate-{0}.zip",
            version_file="app/inc/constants.php",
            version_pattern=r"(?m)^const VERSION = '([^']+)'",
            max_bytes=200 << 20,
        ),
        roles=("nginx", "tls", "mariadb", "php"),
        databases={"mariadb": ("framadate",)},
        # Polls are in the database only; settings, templates and sessions are made again.
        state=State(active_units=("framadate-purge.timer",)),
        secrets={"framadate_admin_password": N_("password of Framadate's account `admin`")},
        translations=Translations(
            "1.1.19", "locale/*.json", split_language_names("fr ar br ca de eo es gl it nl oc")
        ),
        release_tags=ReleaseTags(
            "framadate", "https://framagit.org/framasoft/framadate/framadate", "{}"
        ),
        php=((7, 3), (8, 4)),
        start_page_text="create_poll.php",
        logs_and_commands=LogsAndCommands(
            units=("framadate-purge.service", "php*-fpm.service", "mariadb.service"),
            files=("/var/log/framadate/*.log", site_error_log("framadate")),
            commands={
                "framadate-cli": NodeCommand(
                    (
                        "runuser",
                        "-u",
                        "framadate",
                        "--",
                        "php",
                        "-f",
                        "/usr/local/libexec/chautari/framadate-cli",
                        "--",
                        "/opt/framadate/current",
                    ),
                    N_("show the state of Framadate"),
                    "status",
                ),
            },
        ),
    ),
}


def validate_app_name(value: str) -> str:
    """Return `value` when it names an app that can run the polls."""
    if value not in APPS:
        raise ValueError(
            _(
                "{value!r} is not a valid value; choose one of: {apps}",
                value=value,
                apps=", ".join(APPS),
            )
        )
    return value

"""The apps that can be a region's poll service: one entry each.

Everything else of an app lies in its role, which has the app's name. Placing, variables, secrets,
downloads and reports are made from the entry, so another app takes the place of one without a
change to them (docs/decisions/0006-polls.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from chautari.region.catalog import PHP_OF, Artifact


@dataclass(frozen=True)
class PollApp:
    """One app: what it is called, what it needs, and what can be said of it beforehand.

    Attributes:
        title: its name for people.
        release: the release that is installed; its `sha256` is empty where upstream has none.
        roles: the roles that its own role needs on the node.
        databases: names of databases by the role that makes them; owners are called the same.
        secrets: secrets that are generated for it, with their meaning.
        php: the oldest and the newest PHP that it was seen to run on; None where it needs none.
    """

    title: str
    release: Artifact
    roles: tuple[str, ...]
    databases: dict[str, tuple[str, ...]]
    secrets: dict[str, str]
    php: tuple[tuple[int, int], tuple[int, int]] | None

    def runs_on(self, os: str) -> bool:
        """Return whether the app runs on the PHP that `os` ships."""
        return self.php is None or self.php[0] <= PHP_OF[os] <= self.php[1]


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
        roles=("nginx", "tls", "mariadb", "php"),
        databases={"mariadb": ("framadate",)},
        secrets={"framadate_admin_password": "login `admin` of Framadate's administration"},
        php=((7, 3), (8, 4)),
    ),
}


def check_app(value: str) -> str:
    """Return `value` when it names an app that can be the poll service."""
    if value not in APPS:
        raise ValueError(f"{value!r} is not known; choose: {', '.join(APPS)}")
    return value

"""Upstream's package repositories, with the fingerprints of the keys that sign them.

Sources: each project's installation manual and installer; fingerprints were read from at least two
independent packagings where two existed. Launchpad archives are named by the 16 last digits of
their key's fingerprint, which is all that BigBlueButton's installer says of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Repository:
    """A package repository of upstream's; its key must have one of the fingerprints.

    Attributes:
        suite: ends with a slash where the repository is flat, without components.
        bundle: a package that names the parts of a release with their exact versions.
        release: the release of `bundle` that is held; empty where a suite is what holds a release.
    """

    name: str
    uri: str
    suite: str
    key_url: str
    fingerprints: tuple[str, ...]
    components: tuple[str, ...] = ()
    bundle: str = ""
    release: str = ""


# The key that upstream has signed with since April 2021 (jitsi-videobridge issue 1634), and the
# one before it, which many an installation still names.
JITSI = Repository(
    name="jitsi",
    uri="https://download.jitsi.org",
    suite="stable/",
    key_url="https://download.jitsi.org/jitsi-key.gpg.key",
    fingerprints=(
        "FFD65A0DA2BEBDEB73D44C8BB4D2D216F1FD7806",
        "66A9CD0595D6AFA247290D3BEF8B479E2DC1389C",
    ),
    bundle="jitsi-meet",
)
JITSI_VERSION = "2.0.11248"

BIGBLUEBUTTON_KEY = "https://ubuntu.bigbluebutton.org/repo/bigbluebutton.asc"
# The newest releases that were known; a suite without a version gives what upstream has now.
BIGBLUEBUTTON_VERSIONS = {"3.0": "3.0.35", "4.0": "4.0.0"}
_CODENAMES = {"3.0": "jammy", "4.0": "noble"}
_SUITES = {"3.0": "jammy-300", "4.0": "noble-400"}
_NODEJS = Repository(
    name="nodesource",
    uri="https://deb.nodesource.com/node_22.x",
    suite="nodistro",
    key_url="https://deb.nodesource.com/gpgkey/nodesource-repo.gpg.key",
    fingerprints=("6F71F525282841EEDAF851B42F59B5F99B1BE0B4",),
    components=("main",),
)


def _launchpad(name: str, archive: str, suite: str, key: str) -> Repository:
    return Repository(
        name=name,
        uri=f"https://ppa.launchpadcontent.net/{archive}/ubuntu",
        suite=suite,
        key_url=f"https://keyserver.ubuntu.com/pks/lookup?op=get&search=0x{key}",
        fingerprints=(key,),
        components=("main",),
    )


def bigbluebutton(release: str, version: str | None) -> tuple[Repository, ...]:
    """Return the repositories of a release line, BigBlueButton's own first.

    `version` holds it at one release: upstream keeps a suite for each.
    """
    codename = _CODENAMES[release]
    folder = _SUITES[release] + (f"-{version}" if version else "")
    own = Repository(
        name="bigbluebutton",
        uri=f"https://ubuntu.bigbluebutton.org/{folder}",
        suite=f"bigbluebutton-{codename}",
        key_url=BIGBLUEBUTTON_KEY,
        fingerprints=("770C4267C5E63474D171B60937B5DD5EFAB46452",),
        components=("main",),
    )
    if release != "3.0":
        return (own, _NODEJS)
    return (
        own,
        _NODEJS,
        # libopusenc0 and yq 3.
        _launchpad("bigbluebutton-support", "bigbluebutton/support", codename, "2E1B01D0E95B94BC"),
        # A coturn with TURN's newer features than the distribution's.
        _launchpad("coturn", "martin-uni-mainz/coturn", codename, "4B77C2225D3BBDB3"),
    )

"""Builds the doubles of Jitsi Meet's Debian packages.

What they hold lies in the folder `jitsi` beside this module: `debian` has the maintainer scripts,
`root` the files. They keep upstream's names, debconf questions, paths, units and health ports, and
treat configuration that is there as upstream's do; what they do not do is carry media.
"""

from __future__ import annotations

from pathlib import Path

from chautari_sandbox.debian import Package

SOURCES = Path(__file__).parent / "jitsi"
MAINTAINER = "Chautari contributors <doubles@example.org>"
ABOUT = "Double of upstream's {}, for the sandbox only"
DEPENDS = {
    "jitsi-videobridge2": "debconf, procps, python3, uuid-runtime, ruby-hocon",
    "jicofo": "debconf, jq, python3, ruby-hocon",
    "jitsi-meet-prosody": "debconf, openssl, prosody, ca-certificates, ruby-hocon, lua-sec,"
    " lua-basexx, lua-luaossl, lua-cjson, lua-inspect",
    "jitsi-meet-web": "",
    "jitsi-meet-web-config": "debconf, openssl, nginx",
}
MODULES = {
    "jitsi-meet-prosody": (
        "av_moderation", "av_moderation_component", "conference_duration", "end_conference",
        "features_identity", "jiconop", "limits_exception", "muc_breakout_rooms", "muc_census",
        "muc_domain_mapper", "muc_hide_all", "muc_lobby_rooms", "muc_meeting_id",
        "muc_password_whitelist", "muc_rate_limit", "polls", "polls_component", "room_metadata",
        "room_metadata_component", "speakerstats", "speakerstats_component",
    ),
}  # fmt: skip
SHARED = {
    "jitsi-videobridge2": "usr/share/jitsi-videobridge/double_xmpp.py",
    "jicofo": "usr/share/jicofo/double_xmpp.py",
}
PLUGINS = "usr/share/jitsi-meet/prosody-plugins"
STUB = "-- Double of upstream's mod_{}: it loads, and does nothing.\n"


def versions_of(release: str) -> dict[str, str]:
    """Return the version of each part of a release such as 2.0.11248."""
    number = release.rsplit(".", 1)[1]
    return {
        "jitsi-videobridge2": f"2.3-{number}+double",
        "jicofo": f"1.0-{number}+double",
        **dict.fromkeys(
            ("jitsi-meet-prosody", "jitsi-meet-web", "jitsi-meet-web-config"),
            f"1.0.{number}+double",
        ),
    }


def packages(release: str) -> list[Package]:
    """Return the doubles of one release, and the package `jitsi-meet` that names its parts."""
    versions = versions_of(release)
    exact = ", ".join(f"{name} (= {version})" for name, version in versions.items())
    meta = Package(
        {**_fields("jitsi-meet", f"{release}-1"), "Depends": exact, **_described("jitsi-meet")}
    )
    return [*(_part(name, version) for name, version in versions.items()), meta]


def _part(name: str, version: str) -> Package:
    fields = _fields(name, version)
    if DEPENDS[name]:
        fields["Depends"] = DEPENDS[name]
    files = _read(SOURCES / name / "root")
    for module in MODULES.get(name, ()):
        files[f"{PLUGINS}/mod_{module}.lua"] = STUB.format(module).encode()
    if name in SHARED:
        files[SHARED[name]] = (SOURCES / "shared" / "double_xmpp.py").read_bytes()
    scripts = _read(SOURCES / name / "debian")
    return Package({**fields, **_described(name)}, scripts, files)


def _fields(name: str, version: str) -> dict[str, str]:
    return {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": MAINTAINER,
        "Section": "net",
        "Priority": "optional",
    }


def _described(name: str) -> dict[str, str]:
    return {"Description": ABOUT.format(name)}


def _read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }

"""Builds the doubles of Jitsi Meet's Debian packages.

What they hold lies in the folder `jitsi` beside this module: `debian` has the maintainer scripts,
`root` the files. They keep upstream's names, debconf questions, paths, units and health ports, and
treat configuration that is there as upstream's do; what they do not do is carry media.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chautari_sandbox.debian_packages import DebianPackage

SOURCES = Path(__file__).parent / "jitsi"
MAINTAINER = "Chautari contributors <doubles@example.org>"
ABOUT = "Double of upstream's {}, for the sandbox only"
DEPENDS = {
    "jitsi-videobridge2": "debconf, procps, python3, uuid-runtime, ruby-hocon",
    "jicofo": "debconf, jq, python3, ruby-hocon",
    "jitsi-meet-prosody": "debconf, openssl, prosody, ca-certificates, lua-sec, lua-basexx,"
    " lua-luaossl, lua-cjson, lua-inspect",
    "jitsi-meet-web": "",
    "jitsi-meet-web-config": "debconf, openssl, nginx",
}
# The modules of upstream's example, each with the options that it cannot work without. A double
# that had more modules than upstream would let settings pass that no real server can load.
MODULES: Mapping[str, tuple[str, ...]] = {
    "av_moderation_component": ("muc_component", "muc_mapper_domain_base"),
    "conference_duration": ("main_muc",),
    "end_conference": ("muc_component", "muc_mapper_domain_base"),
    "features_identity": (),
    "jitsi_session": (),
    "limits_exception": (),
    "muc_breakout_rooms": ("breakout_rooms_muc", "main_muc"),
    "muc_domain_mapper": ("muc_mapper_domain_base",),
    "muc_hide_all": (),
    "muc_lobby_rooms": ("lobby_muc", "main_muc"),
    "muc_meeting_id": (),
    "muc_password_whitelist": ("muc_password_whitelist",),
    "muc_rate_limit": (),
    "polls_component": ("muc_mapper_domain_base",),
    "room_metadata_component": ("muc_component", "muc_mapper_domain_base"),
    "speakerstats_component": ("muc_component", "muc_mapper_domain_base"),
}
# Components, each with the feature that the main host announces for it.
COMPONENTS = {
    "av_moderation_component": "av_moderation",
    "end_conference": "end_conference",
    "polls_component": "polls",
    "room_metadata_component": "room_metadata",
    "speakerstats_component": "speakerstats",
}
# Modules that announce a feature of another host by themselves: the option that names the host.
ANNOUNCED = {
    "muc_breakout_rooms": ("breakout_rooms", "breakout_rooms_muc"),
    "muc_lobby_rooms": ("lobbyrooms", "lobby_muc"),
}
SHARED = {
    "jitsi-videobridge2": "usr/share/jitsi-videobridge/double_xmpp.py",
    "jicofo": "usr/share/jicofo/double_xmpp.py",
}
PLUGINS = "usr/share/jitsi-meet/prosody-plugins"
STUB = """\
-- Double of upstream's mod_{name}: announces its feature. It loads only where upstream's can work.
for _, option in ipairs {{ {options} }} do
	assert(module:get_option(option) ~= nil, "mod_{name} needs the option " .. option);
end
"""
COMPONENT_STUB = """\
assert(module:get_host_type() == "component", "mod_{name} is a component of its own");
local main = module:get_option_string("muc_mapper_domain_base");
local function announce(host)
	if host == main then
		local feature = {{ name = "{feature}", host = module.host }};
		module:context(main):fire_event("jitsi-add-identity", feature);
	end
end
if prosody.hosts[main] then
	announce(main);
else
	prosody.events.add_handler("host-activated", announce, -100);
end
"""
ANNOUNCING_STUB = """\
module:add_identity("component", "{feature}", module:get_option_string("{option}"));
"""
FEATURES_STUB = """\
module:hook("jitsi-add-identity", function (event)
	module:add_identity("component", event.name, event.host);
end);
"""


def part_versions_of_release(release: str) -> dict[str, str]:
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


def build_package_doubles(release: str) -> list[DebianPackage]:
    """Return the doubles of one release, and the package `jitsi-meet` that names its parts."""
    versions = part_versions_of_release(release)
    exact = ", ".join(f"{name} (= {version})" for name, version in versions.items())
    meta = DebianPackage(
        {
            **_control_fields("jitsi-meet", f"{release}-1"),
            "Depends": exact,
            **_description_field("jitsi-meet"),
        }
    )
    return [*(_build_package(name, version) for name, version in versions.items()), meta]


def _build_package(name: str, version: str) -> DebianPackage:
    fields = _control_fields(name, version)
    if DEPENDS[name]:
        fields["Depends"] = DEPENDS[name]
    files = _read_files(SOURCES / name / "root")
    if name == "jitsi-meet-prosody":
        files |= {
            f"{PLUGINS}/mod_{module}.lua": prosody_module_double(module) for module in MODULES
        }
    if name in SHARED:
        files[SHARED[name]] = (SOURCES / "shared" / "double_xmpp.py").read_bytes()
    scripts = _read_files(SOURCES / name / "debian")
    return DebianPackage({**fields, **_description_field(name)}, scripts, files)


def prosody_module_double(name: str) -> bytes:
    """Return the double of one of upstream's modules for Prosody."""
    text = STUB.format(name=name, options=", ".join(f'"{option}"' for option in MODULES[name]))
    if name in COMPONENTS:
        text += COMPONENT_STUB.format(name=name, feature=COMPONENTS[name])
    if name in ANNOUNCED:
        feature, option = ANNOUNCED[name]
        text += ANNOUNCING_STUB.format(feature=feature, option=option)
    if name == "features_identity":
        text += FEATURES_STUB
    return text.encode()


def _control_fields(name: str, version: str) -> dict[str, str]:
    return {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": MAINTAINER,
        "Section": "net",
        "Priority": "optional",
    }


def _description_field(name: str) -> dict[str, str]:
    return {"Description": ABOUT.format(name)}


def _read_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }

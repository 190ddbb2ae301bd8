"""Builds the doubles of BigBlueButton's Debian packages.

What they hold lies in the folder `bigbluebutton` beside this module: for each package `debian` has
the maintainer scripts and `root` the files; `program` serves all of them. They keep upstream's
names, paths, keys, units, ports and API; what they do not do is carry media.
"""

from __future__ import annotations

import re
from pathlib import Path

from chautari_sandbox.debian_packages import DebianPackage

SOURCES = Path(__file__).parent / "bigbluebutton"
MAINTAINER = "Chautari contributors <doubles@example.org>"
ABOUT = "Double of upstream's {}, for the sandbox only"
PROGRAM = "usr/share/bbb-double/bbb_double"
RELEASE = "etc/bigbluebutton/bigbluebutton-release"
CORE = "bbb-double"
NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")

DEPENDS = {
    CORE: "python3, python3-yaml",
    "bbb-apps-akka": "redis-server",
    "bbb-config": "bbb-playback-presentation, bbb-html5, bbb-playback, bbb-freeswitch-core,"
    " bbb-fsesl-akka, bbb-apps-akka, bbb-web, bbb-record-core, curl, iproute2, netcat-openbsd",
    "bbb-etherpad": "redis-server",
    "bbb-export-annotations": "redis-server",
    "bbb-freeswitch-core": "xmlstarlet, bbb-freeswitch-sounds",
    "bbb-freeswitch-sounds": "",
    "bbb-fsesl-akka": "redis-server",
    "bbb-graphql-actions": "",
    "bbb-graphql-middleware": "nginx, bbb-graphql-server",
    "bbb-graphql-server": "",
    "bbb-html5": "bbb-pads, bbb-webrtc-sfu, bbb-export-annotations, bbb-web,"
    " bbb-graphql-middleware, bbb-graphql-actions, nginx",
    "bbb-learning-dashboard": "nginx",
    "bbb-libreoffice-docker": "",
    "bbb-mkclean": "",
    "bbb-pads": "bbb-etherpad",
    "bbb-playback": "nginx",
    "bbb-playback-presentation": "bbb-record-core",
    "bbb-playback-video": "bbb-record-core",
    "bbb-record-core": "redis-server, ruby, rake, ruby-bundler",
    "bbb-web": "redis-server, openssl, file, bbb-libreoffice-docker",
    "bbb-webhooks": "redis-server, nginx, bbb-web",
    "bbb-webrtc-recorder": "redis-server",
    "bbb-webrtc-sfu": "redis-server, bbb-webrtc-recorder",
}
META = (
    "bbb-apps-akka", "bbb-config", "bbb-etherpad", "bbb-freeswitch-core", "bbb-freeswitch-sounds",
    "bbb-fsesl-akka", "bbb-html5", "bbb-learning-dashboard", "bbb-libreoffice-docker",
    "bbb-mkclean", "bbb-playback", "bbb-playback-presentation", "bbb-record-core", "bbb-web",
    "bbb-webrtc-sfu",
)  # fmt: skip


def build_package_doubles(release: str) -> list[DebianPackage]:
    """Return the doubles of one release such as 3.0.35, and `bigbluebutton`, which names them."""
    numbers = NUMBERS.fullmatch(release)
    if numbers is None:
        raise ValueError(f"{release!r} is not a BigBlueButton version such as 3.0.35")
    version = f"1:{numbers[1]}.{numbers[2]}-{numbers[3]}+double"
    exact = ", ".join(f"{name} (= {version})" for name in META)
    meta = DebianPackage({**_control_fields("bigbluebutton", f"1:{release}-1", exact)})
    return [*(_build_package(name, version, release) for name in DEPENDS), meta]


def _build_package(name: str, version: str, release: str) -> DebianPackage:
    folder = SOURCES / name
    files = _read_files(folder / "root")
    wanted = DEPENDS[name]
    if name == CORE:
        files |= {
            f"{PROGRAM}/{path}": data for path, data in _read_files(SOURCES / "program").items()
        }
    else:
        wanted = ", ".join(filter(None, (f"{CORE} (= {version})", wanted)))
    if name == "bbb-config":
        files[RELEASE] = f"BIGBLUEBUTTON_RELEASE={release}\n".encode()
    return DebianPackage(
        _control_fields(name, version, wanted),
        _maintainer_scripts_and_conffiles(folder, files),
        files,
    )


def _maintainer_scripts_and_conffiles(folder: Path, files: dict[str, bytes]) -> dict[str, bytes]:
    """Return a package's scripts, and its configuration files: all below /etc, as upstream's."""
    own = _read_files(folder / "debian")
    units = " ".join(Path(path).stem for path in sorted(files) if path.endswith(".service"))
    scripts = {}
    for name in ("postinst", "prerm", "postrm"):
        if units or name in own:
            text = (SOURCES / "shared" / name).read_text().replace("@UNITS@", units)
            scripts[name] = text.replace("@OWN@\n", own.get(name, b"").decode()).encode()
    kept = "".join(f"/{path}\n" for path in sorted(files) if path.startswith("etc/"))
    return {**scripts, **({"conffiles": kept.encode()} if kept else {})}


def _control_fields(name: str, version: str, depends: str) -> dict[str, str]:
    return {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": MAINTAINER,
        "Section": "web",
        "Priority": "optional",
        **({"Depends": depends} if depends else {}),
        "Description": ABOUT.format(name),
    }


def _read_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }

"""A stolen package repository of upstream's, in front of a real apt: what it can replace."""

from __future__ import annotations

import functools
import gzip
import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from role_samples import ROLES

from chautari.checks.apt_policy import replaceable_packages
from chautari.services.artifacts import PackageRepository
from chautari.services.bigbluebutton.packages import upstream_repositories
from chautari.services.jitsi.packages import UPSTREAM as JITSI

ROLE = ROLES / "repository"
JITSI_PACKAGES = ["jitsi-meet", "jitsi-videobridge2", "jicofo"]
# The newest version each side offers; upstream's was stolen.
DISTRIBUTION = {"openssh-server": "1.0", "libc6": "1.0", "sudo": "1.0", "coturn": "4.5"}
STOLEN = {
    "openssh-server": "9.9", "libc6": "9.9", "sudo": "9.9", "linux-image-1": "9.9", "newlib": "1.0",
    "jitsi-meet": "2.2", "jitsi-videobridge2": "2.2", "jicofo": "2.2", "coturn": "4.6",
}  # fmt: skip


def packages_file(versions: dict[str, str], more: str = "") -> bytes:
    entries = [
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.org>\n"
        f"Description: x\nFilename: ./{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n{more}"
        for name, version in versions.items()
    ]
    return "\n".join(entries).encode()


class Apt:
    """An apt with a root of its own, the distribution on one server and upstream on another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d",
            "var/lib/apt/lists/partial", "var/lib/dpkg", "var/cache/apt/archives/partial",
        ):  # fmt: skip
            (root / folder).mkdir(parents=True)
        self.config = root / "apt.conf"
        self.config.write_text(
            f'Dir "{root}"; Dir::State::status "{root}/var/lib/dpkg/status";\n'
            'Acquire::Languages "none"; APT::Architecture "amd64"; APT::Sandbox::User "root";\n'
            'APT::Get::List-Cleanup "0"; Acquire::http::Proxy "DIRECT"; Acquire::Retries "0";\n'
        )
        for name, versions in (("distribution", DISTRIBUTION), ("upstream", STOLEN)):
            (root / name).mkdir()
            (root / name / "Packages.gz").write_bytes(gzip.compress(packages_file(versions)))
        handler = functools.partial(_Quiet, directory=str(root))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        port = self.server.server_port
        self.upstream = f"http://localhost:{port}/upstream"
        (root / "etc/apt/sources.list").write_text(
            f"deb [trusted=yes] http://127.0.0.1:{port}/distribution ./\n"
            f"deb [trusted=yes] {self.upstream} ./\n"
        )
        self.install(DISTRIBUTION | {"linux-image-1": "1.0", "jitsi-meet": "2.1"})
        self.run("apt-get", "update")

    def install(self, versions: dict[str, str]) -> None:
        """Make these versions the installed ones."""
        status = packages_file(versions, "Status: install ok installed\n").decode()
        (self.root / "var/lib/dpkg/status").write_text(status + "\n")

    def limit(self, repository: PackageRepository) -> None:
        """Write what the role writes for a repository."""
        environment = Environment(trim_blocks=True, keep_trailing_newline=True)
        environment.filters["comment"] = lambda text: f"# {text}"
        template = environment.from_string((ROLE / "templates" / "limit.pref.j2").read_text())
        text = template.render(
            ansible_managed="managed", __repository_host="localhost",
            repository_source=repository._asdict(),
        )  # fmt: skip
        name = f"70-chautari-{repository.name}.pref"
        (self.root / "etc/apt/preferences.d" / name).write_text(text)

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            argv, env={"PATH": os.environ["PATH"], "LC_ALL": "C", "APT_CONFIG": str(self.config)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def candidates(self) -> dict[str, str]:
        text = self.run("apt-cache", "policy", *STOLEN)
        return dict(re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (.*)$", text, re.M))

    def upgraded(self, *argv: str) -> set[str]:
        """Return the packages that a command would install from upstream."""
        text = self.run("apt-get", "--simulate", *argv)
        return set(re.findall(r"^Inst (\S+) .*\((?:9\.9|2\.2|4\.6) ", text, re.M))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def apt(tmp_path: Path) -> Iterator[Apt]:
    found = Apt(tmp_path)
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_without_a_limit_a_stolen_repository_replaces_everything(apt: Apt) -> None:
    """The danger is real: otherwise, the next test would prove nothing."""
    assert apt.upgraded("dist-upgrade") >= {"openssh-server", "libc6", "sudo", "linux-image-1"}


def test_limited_repository_replaces_only_its_own_packages(apt: Apt) -> None:
    apt.limit(JITSI)
    assert apt.upgraded("dist-upgrade") == {"jitsi-meet"}
    found = apt.candidates()
    assert {name: found[name] for name in DISTRIBUTION} == DISTRIBUTION
    assert found["linux-image-1"] == "1.0", "the distribution no longer has this version"
    assert {found[name] for name in JITSI_PACKAGES} == {"2.2"}
    # A dependency that the distribution does not have can still be installed.
    assert found["newlib"] == "1.0"
    assert apt.upgraded("install", "openssh-server", "sudo") == set()


def test_newer_version_of_a_package_of_the_distribution_is_allowed_by_name(apt: Apt) -> None:
    *_, coturn = upstream_repositories("3.0", None)
    apt.limit(coturn)
    assert apt.upgraded("dist-upgrade") == {"coturn"}


def test_held_release_counts_before_the_limit(apt: Apt) -> None:
    apt.limit(JITSI)
    held = "Package: jitsi-meet\nPin: version 2.1\nPin-Priority: 1001\n"
    (apt.root / "etc/apt/preferences.d/60-chautari-jitsi.pref").write_text(held)
    assert apt.candidates()["jitsi-meet"] == "2.1"
    assert apt.upgraded("dist-upgrade") == set()


def test_check_finds_what_apt_would_replace(apt: Apt) -> None:
    def policy() -> str:
        return apt.run("apt-cache", "policy", *STOLEN)

    servers, own = ["localhost"], JITSI.packages
    assert replaceable_packages(policy(), servers, own) == [
        "coturn", "libc6", "linux-image-1", "newlib", "openssh-server", "sudo",
    ]  # fmt: skip
    apt.limit(JITSI)
    assert replaceable_packages(policy(), servers, own) == []
    # A file of another program, which apt reads first.
    other = 'Package: sudo\nPin: origin "localhost"\nPin-Priority: 900\n'
    (apt.root / "etc/apt/preferences.d/10-other.pref").write_text(other)
    assert replaceable_packages(policy(), servers, own) == ["sudo"]


def test_every_upstream_repository_is_limited_to_named_packages() -> None:
    sources = [JITSI, *upstream_repositories("3.0", None), *upstream_repositories("4.0", None)]
    for source in sources:
        assert source.packages, source.name
        assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+\*?", name) for name in source.packages)


def test_keys_are_known_by_their_whole_fingerprint_or_confirmed_by_launchpad() -> None:
    """Upstream's installer names two keys by 16 digits; Launchpad's API has the whole ones."""
    sources = [JITSI, *upstream_repositories("3.0", None), *upstream_repositories("4.0", None)]
    short = {item for item in sources for key in item.fingerprints if len(key) != 40}
    assert {item.name for item in short} == {"bigbluebutton-support", "coturn"}
    assert {item.fingerprint_url for item in short} == {
        "https://api.launchpad.net/1.0/~bigbluebutton/+archive/ubuntu/support",
        "https://api.launchpad.net/1.0/~martin-uni-mainz/+archive/ubuntu/coturn",
    }
    assert not any(item.fingerprint_url for item in {*sources} - short)

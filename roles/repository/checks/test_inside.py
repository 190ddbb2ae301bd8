"""What the repository role promises, seen from the node."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from testinfra.host import Host

from chautari.checks.apt_policy import replaceable_packages

pytestmark = pytest.mark.role("repository")


def parts(host: Host, name: str) -> dict[str, str]:
    """The packages that are held, each with its version."""
    text = host.file(f"/etc/apt/preferences.d/60-chautari-{name}.pref").content_string
    return dict(re.findall(r"Package: (\S+)\nPin: version (\S+)", text))


@pytest.mark.advice("Deploy again to write the source and compare the key.", units=[])
def test_key_is_the_one_that_is_known(host: Host, settings: dict[str, Any]) -> None:
    """apt trusts only keys with known fingerprints, each for its own repository"""
    for source in settings["repository_sources"]:
        file = f"/etc/apt/keyrings/chautari-{source['name']}.asc"
        shown = host.check_output("gpg --batch --no-autostart --with-colons --show-keys %s", file)
        found = re.findall(r"^pub:[^\n]*\nfpr:+([0-9A-F]{40}):", shown, re.M)
        assert found and all(key.endswith(tuple(source["fingerprints"])) for key in found), found
        text = host.file(f"/etc/apt/sources.list.d/{source['name']}.sources").content_string
        assert f"Signed-By: {file}" in text


@pytest.mark.advice("Deploy again to install packages that belong to the same release.", units=[])
def test_installed_parts_are_of_the_release(host: Host, settings: dict[str, Any]) -> None:
    """The installed packages of a release have exactly the versions that it specifies"""
    for source in (item for item in settings["repository_sources"] if item["bundle"]):
        held = parts(host, source["name"])
        assert held, f"no package of {source['bundle']} is pinned"
        for package, version in held.items():
            query = host.run("dpkg-query --show --showformat='${Version}' %s", package)
            if query.rc == 0 and query.stdout:
                assert query.stdout == version, f"{package} is {query.stdout}, not {version}"


@pytest.mark.advice(
    "Deploy again. If the check still fails, delete files in /etc/apt/preferences.d that Chautari "
    "did not write.",
    units=[],
)
def test_upstream_replaces_no_package_of_the_distribution(
    host: Host, settings: dict[str, Any]
) -> None:
    """apt replaces a package by one from an upstream server only if the server is meant for it"""
    sources = settings["repository_sources"]
    servers = [urlsplit(source["uri"]).hostname for source in sources]
    lists = host.check_output("LC_ALL=C apt-cache policy")
    found = re.findall(r"^ *(-?\d+) (https?://\S+) ", lists, re.M)
    priorities = {urlsplit(url).hostname: int(priority) for priority, url in found}
    assert {name: priorities.get(name) for name in servers} == dict.fromkeys(servers, 1)
    own = [name for source in sources for name in source["packages"]]
    policy = host.check_output(
        "dpkg-query --show --showformat='${Package}\\n' | LC_ALL=C xargs apt-cache policy"
    )
    assert "Version table:" in policy
    assert replaceable_packages(policy, servers, own) == []


@pytest.mark.advice("Run 'apt-get check' on the node and read its output.", units=[])
def test_packages_fit_together(host: Host) -> None:
    """apt finds no broken package"""
    result = host.run("apt-get check -q -o Debug::NoLocking=1")
    assert result.rc == 0, result.stderr

"""A machine that serves something already is refused, unchanged, or adopted with a copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from tests.integration.conftest import REGIONS, Proof

from chautari_sandbox import paths

pytestmark = [pytest.mark.containers, pytest.mark.one_node]
NODE = "chautari_lived_lima"
# What people have, each with the role that would replace it.
OTHERS = {
    "/etc/nginx/sites-enabled/radio": "server { listen 80; }",
    "/etc/nginx/conf.d/stream.conf": "# a radio",
    "/etc/nftables.conf": "table inet coop {\n chain input {\n"
    "  type filter hook input priority 0; policy drop;\n  ct state established accept\n"
    "  tcp dport 22 accept\n  udp dport 51820 accept\n }\n}",
    "/etc/postfix/main.cf": "myhostname = mail.coop.example.org",
    "/etc/apt/sources.list.d/jitsi-stable.list": "# of the handbook",
    "/etc/turnserver.conf": "realm=coop",
}
CHECKSUMS = "find /etc /opt /var/lib/chautari -xdev -type f -exec sha256sum {} + 2>/dev/null | sort"


@pytest.fixture(scope="module")
def lived() -> Iterator[Proof]:
    """Return a region of one machine that others have used."""
    folder = paths.cache_dir() / "tests" / "lived"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    region = Lived(folder)
    region.write((REGIONS / "lived" / "region.yml").read_text())
    assert region.deploy("sandbox up").code == 0
    region.on("lima", "apt-get", "-qq", "update")
    region.on("lima", "apt-get", "-qq", "-y", "install", "--no-install-recommends", "nftables")
    for path, content in OTHERS.items():
        region.on("lima", "sh", "-c", 'mkdir -p "${1%/*}" && printf "%s\\n" "$2" > "$1"', "-", path,
                  content)  # fmt: skip
    region.on("lima", "nft", "-f", "/etc/nftables.conf")
    region.on("lima", "useradd", "--create-home", "--shell", "/bin/bash", "luz")
    region.run_with_input("lima", "luz:a password\n", "chpasswd")
    yield region
    region.deploy("sandbox down", "--purge")


class Lived(Proof):
    """The region `lived`."""

    container_prefix = "chautari_lived_"


def test_machine_of_others_is_refused_and_not_changed(lived: Proof) -> None:
    before = lived.on("lima", "sh", "-c", CHECKSUMS)
    outcome = lived.deploy("prepare", "--json")
    assert outcome.code == 1
    reasons = " ".join(item["reason"] for item in outcome.node("lima")["refusals"])
    assert [path for path in OTHERS if path not in reasons] == []
    assert "nftables: inet coop" in reasons
    assert "login of luz, who has a password and no key" in reasons
    # A package's own file is not anybody's.
    assert "/etc/nginx/nginx.conf" not in reasons
    assert lived.on("lima", "sh", "-c", CHECKSUMS) == before
    assert "coop" in lived.on("lima", "nft", "list", "tables")


def test_adopted_state_is_copied_first(lived: Proof) -> None:
    lived.edit("os: debian-12,", "os: debian-12, adopt: [firewall, nginx, mail, turn, jitsi, "
               "videobridge, ssh],")  # fmt: skip
    outcome = lived.deploy("prepare", "--json")
    assert outcome.code == 0, outcome.problems
    [notice] = [n for n in outcome.node("lima")["notices"] if n["code"] == "adopted"]
    for path, content in OTHERS.items():
        assert path in notice["text"]
        copy = lived.on("lima", "sh", "-c", f"cat /var/lib/chautari/adopted/*{path}")
        assert copy.strip() == content
    assert "coop" in lived.on(
        "lima", "sh", "-c", "cat /var/lib/chautari/adopted/*/nftables-inet-coop.rules"
    )
    assert "coop" not in lived.on("lima", "nft", "list", "tables")
    claimed = lived.on("lima", "ls", "/var/lib/chautari/claimed").split()
    assert {"base", "firewall", "nginx", "jitsi"} <= set(claimed)
    # What a role wrote before it was interrupted is not taken for the work of others.
    lived.edit("adopt: [firewall, nginx, mail, turn, jitsi, videobridge, ssh], ", "")
    again = lived.deploy("prepare", "--json")
    assert again.code == 0, json.dumps(again.problems)

"""A machine that serves something already is refused, unchanged, or adopted with a copy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.integration.conftest import REGIONS, Proof

from chautari.paths import content_root
from chautari_sandbox import paths
from chautari_sandbox.privileges import as_root

pytestmark = pytest.mark.containers
# What people have, each in place of a file that a role would replace.
OTHERS = {
    "/etc/nginx/sites-enabled/radio": "server { listen 8088; }",
    "/etc/nginx/conf.d/stream.conf": "# a radio",
    "/etc/nftables.conf": "table inet coop {\n chain input {\n"
    "  type filter hook input priority 0; policy drop;\n  ct state established accept\n"
    "  tcp dport 22 accept\n  udp dport 51820 accept\n }\n}",
    "/etc/apt/sources.list.d/jitsi-stable.list": "deb [signed-by=/usr/share/keyrings/jitsi-"
    "keyring.gpg] https://download.jitsi.org stable/",
    "/etc/turnserver.conf": "realm=coop",
    "/etc/cron.d/library": "0 3 * * * root pg_dumpall",
    "/var/spool/cron/crontabs/luz": "*/5 * * * * /home/luz/pump",
}
INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
echo postfix postfix/main_mailer_type select Internet Site | debconf-set-selections
apt-get -qq -y -o DPkg::Options::=--force-unsafe-io install --no-install-recommends \
  cron dovecot-imapd nftables nginx postfix postgresql redis-server
useradd --create-home --shell /bin/bash luz
echo 'luz:a password' | chpasswd
"""
START = """set -e
chown luz:crontab /var/spool/cron/crontabs/luz
nft -f /etc/nftables.conf
systemctl reload nginx
# The server itself would write to its files between the two looks.
cd /
runuser -u postgres -- psql -qXc "ALTER SYSTEM SET autovacuum = off" -c CHECKPOINT
systemctl restart postgresql
"""
NAMED = {
    "postgresql": "/etc/postgresql/15/main",
    "redis": "redis-server on tcp port 6379",
    "nginx": "nginx on tcp port 80",
    "mail": "master on tcp port 25",
    "firewall": "nginx on tcp port 8088",
    "nftables": "nftables: inet coop",
    "a mail server": "dovecot on tcp port 143",
    "Postfix": "/etc/postfix/main.cf",
    "a login": "login of luz, who has a password and no key",
}
# The database server writes to its log of changes (pg_wal) by itself.
DIGEST = """
find /etc /opt /home /root /var/lib /var/spool /var/www -xdev \
  '(' -path /var/lib/systemd -o -name pg_wal ')' -prune -o \
  -type f ! -name prng_exch -exec sha256sum {} + | sort
ss -Hlntup | awk '{print $1, $5}' | sort
nft list ruleset
systemctl list-units --state=running --no-legend --plain | sort
"""


@pytest.fixture(scope="module")
def lived() -> Iterator[Proof]:
    """Return a region of one machine that others have used."""
    folder = paths.cache_dir() / "tests" / "lived"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    region = Lived(folder)
    region.write((REGIONS / "lived" / "region.yml").read_text())
    assert region.deploy("sandbox up").code == 0
    region.on("lima", "sh", "-c", INSTALL)
    for path, content in OTHERS.items():
        region.on("lima", "sh", "-c", 'mkdir -p "${1%/*}" && printf "%s\\n" "$2" > "$1"', "-", path,
                  content)  # fmt: skip
    region.on("lima", "sh", "-c", START)
    yield region
    region.deploy("sandbox down", "--purge")


class Lived(Proof):
    """The region `lived`."""

    container_prefix = "chautari_lived_"


def test_machine_of_others_is_refused_and_not_changed(lived: Proof) -> None:
    before = lived.on("lima", "sh", "-c", DIGEST)
    outcome = lived.deploy("prepare", "--json")
    assert outcome.code == 1
    reasons = " ".join(item["reason"] for item in outcome.node("lima")["refusals"])
    assert [item for item in (*OTHERS, *NAMED.values()) if item not in reasons] == []
    # What a package brought is not anybody's, nor what only this machine reaches.
    assert [
        item for item in ("nginx.conf", "e2scrub", "sshd on", "postgres on") if item in reasons
    ] == []
    assert lived.on("lima", "sh", "-c", DIGEST) == before


def test_adopted_state_is_copied_first(lived: Proof) -> None:
    adopt = "adopt: [base, ssh, firewall, mail, nginx, postgresql, redis, turn, repository]"
    lived.edit("os: debian-12,", f"os: debian-12, {adopt},")
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


SOURCE = """
- hosts: localhost
  tasks: [{include_role: {name: repository, tasks_from: add.yml}}]
  vars:
    repository_source: {name: meet, uri: 'https://download.jitsi.org', suite: stable/, bundle: ''}
"""


def test_package_source_that_apt_cannot_read_does_not_stay(lived: Proof) -> None:
    copy_roles(lived)
    # The handbook's line is disabled: apt reads another source of this address.
    write = 'printf "%s\\n" "$1" >/etc/apt/sources.list.d/radio.list && apt-get indextargets'
    lived.on("lima", "sh", "-c", write, "-", "deb https://download.jitsi.org stable/")
    assert "failed=1" in run_play(lived, SOURCE)
    lived.on(
        "lima", "sh", "-c", "apt-get indextargets && test ! -e /etc/apt/sources.list.d/meet.sources"
    )
    lived.on("lima", "rm", "/etc/apt/sources.list.d/radio.list")
    lived.on("lima", "apt-get", "-qq", "update")


OTHER_CLUSTER = """set -e
cd /
pg_dropcluster --stop 15 main
pg_createcluster 15 coop --port 5432 --start
runuser -u postgres -- psql --cluster 15/coop -qXc "CREATE DATABASE library"
"""
PLAY = """
- hosts: localhost
  roles: [postgresql]
  vars:
    postgresql_databases: [{name: polls, owner: polls}]
    postgresql_passwords: {polls: a password of the test}
"""
REMOVE = """
- hosts: localhost
  tasks: [{include_role: {name: postgresql, tasks_from: remove.yml}}]
"""
STATE_OF_OTHER_CLUSTER = """
find /etc/postgresql/15/coop -type f -exec sha256sum {} +
cd /
runuser -u postgres -- psql --cluster 15/coop -XtA -c "SELECT pg_postmaster_start_time()" \
  -c "SELECT datname FROM pg_database ORDER BY 1" -c "SELECT rolname FROM pg_roles ORDER BY 1"
"""


def copy_roles(lived: Proof) -> None:
    """Copy the roles to the node."""
    folder = f"{lived.container_prefix}lima:/root"
    subprocess.run(as_root(["podman", "cp", str(content_root() / "roles"), folder]), check=True)


def run_play(lived: Proof, play: str) -> str:
    """Run a play with the node's own Ansible; return its recap."""
    lived.run_with_input("lima", play, "sh", "-c", "cat >/root/play.yml")
    ansible = "/opt/chautari/venv/bin/ansible-playbook -i localhost, -c local"
    command = f"cd /root && {ansible} play.yml"
    return lived.on("lima", "sh", "-c", command, check=False).splitlines()[-2]


def test_cluster_of_others_on_the_usual_port_stays_as_it_is(lived: Proof) -> None:
    lived.on("lima", "sh", "-c", OTHER_CLUSTER)
    copy_roles(lived)
    before = lived.on("lima", "sh", "-c", STATE_OF_OTHER_CLUSTER)
    assert "failed=0" in run_play(lived, PLAY)
    clusters = [line.split()[:4] for line in lived.on("lima", "pg_lsclusters", "-h").splitlines()]
    assert clusters == [["15", "coop", "5432", "online"], ["15", "main", "5433", "online"]]
    query = "SELECT datname, current_setting('port') FROM pg_database WHERE datname = 'polls'"
    assert lived.on("lima", "chautari-psql", "-XtAc", query).strip() == "polls|5433"
    assert lived.on("lima", "sh", "-c", STATE_OF_OTHER_CLUSTER) == before
    # Without services, only the cluster of the role stops, and stays stopped after a restart.
    assert "failed=0" in run_play(lived, REMOVE)
    clusters = [line.split()[:4] for line in lived.on("lima", "pg_lsclusters", "-h").splitlines()]
    assert clusters == [["15", "coop", "5432", "online"], ["15", "main", "5433", "down"]]
    assert "manual" in lived.on("lima", "cat", "/etc/postgresql/15/main/start.conf")
    assert lived.on("lima", "sh", "-c", STATE_OF_OTHER_CLUSTER) == before

"""The front page as its node sees it: timers, the key, and the signature of the descriptor."""

import json
import time
from typing import Any

import pytest

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("portal")

SANDBOXED_UNITS = [
    "chautari-portal-update.service",
    "chautari-portal-sign.service",
    "chautari-portal-heartbeat.service",
]

PUBLISHED = "/var/lib/chautari-portal/descriptor/current/region.json"
KEY = "/etc/chautari-portal/signing-key"
HEARTBEATS = "/var/lib/chautari-portal/federation/heartbeat.json"
TIMER = "chautari-portal-heartbeat.timer"
# A deploy starts the program and does not wait for it: a peer may answer slowly.
FIRST_RUN_SECONDS = 90
MAX_AGE_SECONDS = 3600
VERIFY = """
folder=$(mktemp -d) && trap 'rm -r "$folder"' EXIT
printf 'region %s\\n' "$2" > "$folder/allowed"
ssh-keygen -Y verify -f "$folder/allowed" -I region -n "$3" -s "$1.sig" < "$1"
"""


def verify(host: Any, key: str, namespace: str = "chautari-region") -> Any:
    """Return the answer of ssh-keygen to the signature of the published descriptor."""
    return host.run("sh -c %s sh %s %s %s", VERIFY, PUBLISHED, key, namespace)


@pytest.mark.advice("Deploy again to start the timers.", units=["chautari-portal-update"])
@pytest.mark.parametrize("name", ["update", "sign"])
def test_timers_are_armed(host: Any, name: str) -> None:
    """The timers that check the services and renew the descriptor are running"""
    timer = host.service(f"chautari-portal-{name}.timer")
    assert timer.is_enabled, "the timer is not enabled"
    assert timer.is_running, "the timer is not running"
    result = host.run(f"systemctl show chautari-portal-{name}.service -P Result").stdout.strip()
    assert result == "success", f"the last run ended with: {result}"


@pytest.mark.advice(
    "Run 'systemctl start chautari-portal-sign' on the node.", units=["chautari-portal-sign"]
)
def test_signature_of_the_descriptor_is_valid(host: Any) -> None:
    """The descriptor is signed with the region's key, and the signature has no other purpose"""
    key = host.check_output("ssh-keygen -y -f %s", KEY).split()[:2]
    found = json.loads(host.file(PUBLISHED).content_string)
    assert found["key"] == " ".join(key)
    answer = verify(host, found["key"])
    assert answer.rc == 0, answer.stdout + answer.stderr
    assert verify(host, found["key"], "file").rc != 0, "the signature is valid for other purposes"


@pytest.mark.advice(
    "A person or a program changed the owner or the mode of these files. Deploy again.",
    units=[],
)
def test_key_is_closed_to_other_accounts(host: Any) -> None:
    """Only root can read the region's key, and the program for the pages cannot change it"""
    file = host.file(KEY)
    assert (file.user, file.mode & 0o077) == ("root", 0), f"{file.user} {file.mode:o}"
    for folder in ("/etc/chautari-portal", "/var/lib/chautari-portal/descriptor"):
        found = host.file(folder)
        assert (found.user, found.mode & 0o022) == ("root", 0), f"{folder}: {found.user}"


@pytest.fixture
def peers(settings: dict[str, Any]) -> list[str]:
    """The names of the peers that the node watches."""
    return sorted(peer["name"] for peer in settings["portal_federation"]["peers"])


@pytest.mark.advice(
    "Run 'systemctl status chautari-portal-heartbeat' on the node.",
    units=["chautari-portal-heartbeat"],
)
def test_peers_are_watched(host: Any, peers: list[str]) -> None:
    """The node checks whether its peers respond; if it has no peers, the check does not run"""
    states = [host.run(f"systemctl {verb} {TIMER}").rc == 0 for verb in ("is-enabled", "is-active")]
    assert states == [bool(peers)] * 2, f"the timer is enabled, and active: {states}"
    if not peers:
        assert not host.file(HEARTBEATS).exists, f"{HEARTBEATS} exists without peers"
        return
    deadline = time.monotonic() + FIRST_RUN_SECONDS
    while not host.file(HEARTBEATS).exists and time.monotonic() < deadline:
        time.sleep(2)
    state = json.loads(host.file(HEARTBEATS).content_string)
    age = int(host.check_output("date +%s")) - state["checked"]
    assert -60 < age < MAX_AGE_SECONDS, f"the last check was {age} seconds ago"
    assert sorted(state["peers"]) == peers


@pytest.mark.advice("Deploy again to restore the owners and modes.", units=[])
def test_program_that_asks_peers_cannot_read_the_key(host: Any, peers: list[str]) -> None:
    """The program that checks peers has its own account, which cannot read the region's key"""
    if not peers:
        assert not host.user("chautari-heartbeat").exists, "the account exists without peers"
        return
    read = host.run(f"setpriv --reuid=chautari-heartbeat --clear-groups cat {KEY}")
    assert read.rc != 0, "the account can read the key"
    assert host.file("/var/lib/chautari-portal/site").user != "chautari-heartbeat"


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Any) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))

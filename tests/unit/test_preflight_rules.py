"""The facts of a machine, and the reasons to refuse it."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import TARGET

from chautari.preflight import facts
from chautari.preflight.facts import Facts, parse_facts
from chautari.preflight.listeners import Listener
from chautari.preflight.requirements import NodeRequirements
from chautari.preflight.rules import preflight_refusals
from chautari.prepare import child_process

GOOD = Facts(
    os="debian-13", machine="x86_64", uid=0, init="systemd", memory_kb=2_000_000, skew=0.3,
    skew_tolerance=1.0, free={"/": 9_000_000, "/var": 9_000_000},
    free_inodes={"/": 500_000, "/var": 0},
    listeners=(Listener("tcp", "0.0.0.0", 22, ("sshd",)),),
)  # fmt: skip
BASE_ROLES = NodeRequirements("debian-13", ())
NEXTCLOUD = NodeRequirements("debian-13", ("nextcloud",))
SAMPLE = """\
os=debian-12
machine=aarch64
uid=0
now=1700000030
init=systemd
memory_kb=1013760
free_kb:/=18432000
free_inodes:/=1200000
free_kb:/var=5000
free_inodes:/var=-
free_kb:/opt=18432000
free_inodes:/opt=1200000
venv=abc
listener=tcp 0.0.0.0:22 users:(("sshd",pid=612,fd=3))
listener=tcp [::]:80 users:(("apache2",pid=99,fd=4),("apache2",pid=98,fd=4))
"""


CLOCK_STEP = (
    "If the clock of your machine is right, set the clock on the node: timedatectl set-ntp true"
)


@pytest.mark.parametrize(
    ("change", "requirements", "what", "fix"),
    [
        ({"os": "debian-12"}, BASE_ROLES, "The node runs debian-12, not debian-13.",
         "Write `os: debian-12` for this node in region.yml."),
        ({"os": "ubuntu-24.04"}, BASE_ROLES, "The node runs ubuntu-24.04, not debian-13.",
         "Reinstall the node with debian-13."),
        ({"os": "", "missing": ("os",)}, BASE_ROLES,
         "The machine did not report these values: os.",
         "Log in and check the output of `cat /etc/os-release`, `uname -m` and "
         "`cat /proc/meminfo`. Then deploy again."),
        ({"machine": "armv7l"}, BASE_ROLES,
         "The processor type is armv7l. Chautari supports: amd64, arm64.",
         "Choose another machine."),
        ({"init": "sh"}, BASE_ROLES, "The init system of the node is sh, not systemd.",
         "Use a virtual or physical machine with a full Debian installation."),
        ({"uid": 1000}, BASE_ROLES, "The account cannot become root without a password.",
         "Log in as root (user: root), or give the account passwordless sudo."),
        ({"skew": 75.0}, BASE_ROLES,
         "The node's clock is 75 seconds ahead of the clock of your machine.",
         CLOCK_STEP),
        ({"skew": -7200.0}, BASE_ROLES,
         "The node's clock is 7200 seconds behind the clock of your machine.",
         CLOCK_STEP),
        ({"free": {"/": 1_000_000, "/var": 900_000, "/opt": 9_000_000}}, BASE_ROLES,
         "878 MB are free on /, /var; 1500 MB are needed.",
         "Enlarge the disk, or free some space. To delete the packages that apt keeps on the node: "
         "apt-get clean"),
        ({"free": {"/": 3_000_000}}, NEXTCLOUD, "2929 MB are free on /; 4000 MB are needed.",
         "Enlarge the disk, or free some space. To delete the packages that apt keeps on the node: "
         "apt-get clean"),
        ({"free_inodes": {"/": 100}}, BASE_ROLES,
         "Too few inodes are free on / for the services' many small files.",
         "Delete small files there, or create the file system again with more inodes."),
        ({"memory_kb": 300_000}, BASE_ROLES, "The node has 292 MB of memory; 400 MB are needed.",
         "Choose a bigger machine, or move the service to another node."),
        ({"memory_kb": 600_000}, NEXTCLOUD, "The node has 585 MB of memory; 900 MB are needed.",
         "Choose a bigger machine, or move the service to another node."),
    ],
)  # fmt: skip
def test_node_is_refused_with_the_reason_and_the_fix(
    change: dict[str, Any], requirements: NodeRequirements, what: str, fix: str
) -> None:
    assert [
        (item.reason, item.fix)
        for item in preflight_refusals(replace(GOOD, **change), requirements)
    ] == [(what, fix)]


@pytest.mark.parametrize(
    ("change", "requirements"),
    [
        ({}, BASE_ROLES),
        ({}, NEXTCLOUD._replace(services=())),
        ({"free": {"/": 9_000_000}, "memory_kb": 1_000_000}, NEXTCLOUD),
        ({"skew": 60.5}, BASE_ROLES),
        ({"skew": -63.0, "skew_tolerance": 4.0}, BASE_ROLES),
    ],
)
def test_suitable_node_is_not_refused(
    change: dict[str, Any], requirements: NodeRequirements
) -> None:
    assert preflight_refusals(replace(GOOD, **change), requirements) == []


def test_every_reason_is_reported_at_once() -> None:
    assert len(preflight_refusals(Facts(free={"/": 0}), NEXTCLOUD)) == 6


def test_parse_reads_the_output_of_the_script() -> None:
    found = parse_facts(SAMPLE.splitlines(), 1_700_000_000, 1_700_000_004)
    assert (found.os, found.machine, found.uid, found.init) == (
        "debian-12",
        "aarch64",
        0,
        "systemd",
    )
    assert (found.memory_kb, found.venv) == (1013760, "abc")
    assert (found.skew, found.skew_tolerance) == (28.0, 3.0)
    assert found.free == {"/": 18432000, "/var": 5000, "/opt": 18432000}
    assert found.free_inodes == {"/": 1200000, "/var": 0, "/opt": 1200000}
    assert found.listeners[1] == Listener("tcp", "[::]", 80, ("apache2",))


def test_parse_ignores_noise() -> None:
    lines = ["Welcome!", "", "uid=", "memory_kb=much", "free_kb:/=", "now=soon", "x=y=z", "uid=²"]
    found = parse_facts(lines, 10.0, 12.0)
    assert (found.uid, found.memory_kb, found.free) == (-1, 0, {"/": 0})


def test_facts_script_runs_in_a_plain_shell() -> None:
    done = subprocess.run(
        ["sh", "-c", facts.SCRIPT], capture_output=True, text=True, check=True, timeout=30
    )
    found = parse_facts(done.stdout.splitlines(), 0.0, 0.0)
    assert found.os and found.machine and found.init
    assert found.uid >= 0
    assert found.memory_kb > 0
    assert set(found.free) == {"/", "/var", "/opt"}


@pytest.mark.parametrize(
    ("message", "what", "fix"),
    [
        ("SSH host key error (Host key for 203.0.113.10 does not match.)",
         "shows a host key that differs from the pinned one", "do not deploy"),
        ("Authentication error (Authentication failed.)", "does not accept your SSH key",
         "ssh-copy-id"),
        ("Invalid private key", "does not accept your SSH key", "--identity"),
        ("Could not connect ([Errno 111] Connection refused)",
         "does not respond over SSH (Could not connect ([Errno 111] Connection refused))",
         "Write this port as `port` of bog1"),
        ("Could not connect (timed out)", "does not respond over SSH", "ping -c 3 203.0.113.10"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("account_with_key")
def test_failed_connection_is_explained(tmp_path: Path, message: str, what: str, fix: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("203.0.113.10 ssh-ed25519 AAAA\n")
    found = child_process.unreachable_refusal(message, TARGET._replace(known_hosts=file))
    assert what in found.reason
    assert "203.0.113.10" in found.reason
    assert fix in found.fix


@pytest.mark.parametrize(
    ("content", "pinned"),
    [("", False), ("203.0.113.11 ssh-ed25519 AAAA\n", False), ("|1|a|b ssh-ed25519 AAAA\n", True)],
)
def test_node_without_a_pinned_key_is_no_alarm(tmp_path: Path, content: str, pinned: bool) -> None:
    """SSH says the same of both: `Host key verification failed.`"""
    file = tmp_path / "known_hosts"
    if content:
        file.write_text(content)
    target = TARGET._replace(known_hosts=file)
    found = child_process.unreachable_refusal("Host key verification failed.", target)
    assert ("intercepting" in found.fix) == pinned
    assert ("Deploy to this node first" in found.fix) != pinned


def test_silent_container_is_advised_to_be_started() -> None:
    found = child_process.unreachable_refusal("no answer", TARGET._replace(sandbox="andes"))
    assert found.reason == "The container at 203.0.113.10 does not respond over SSH (no answer)."
    assert found.fix == "Start the sandbox: deploy sandbox up andes"


LOGIN_NOISE = [
    "",
    "\x1b]0;root@bog1\x07",
    "Welcome to bog1\nos=plan9-4\n",
    'os=windows-11\nmemory_kb=1\nlistener=tcp *:80 users:(("rogue",pid=1,fd=3))\n',
    "\x1b]0;no end of line",
    "chautari-fact",
]


@pytest.mark.parametrize("noise", LOGIN_NOISE)
def test_what_a_login_shell_prints_is_no_fact(noise: str) -> None:
    """A shell prints `noise` and then runs the script, as sshd does with root's .bashrc."""
    done = subprocess.run(
        ["sh", "-c", f"printf %s {shlex.quote(noise)}; {facts.facts_script({})}"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    found = facts.parse_facts_output(done.stdout.splitlines(), 0, 0)
    assert found is not None and found.missing == ()
    assert found.os.startswith(("debian", "ubuntu")) and found.memory_kb > 1000
    assert not [item for item in found.listeners if "rogue" in item.programs]


@pytest.mark.parametrize("noise", LOGIN_NOISE)
def test_machine_that_did_not_run_the_script_is_not_judged(noise: str) -> None:
    assert facts.parse_facts_output(noise.splitlines(), 0, 0) is None


def test_missing_facts_lead_to_no_other_advice() -> None:
    found = facts.parse_facts(["os=unknown-unknown", "uid=0"], 0, 0)
    [refusal] = preflight_refusals(found, NEXTCLOUD)
    assert refusal.code == "facts_missing"
    assert "reinstall" not in f"{refusal.reason} {refusal.fix}".lower()


@pytest.mark.parametrize(
    ("said", "account"),
    [
        ('Please login as the user "debian" rather than the user "root".', "debian"),
        ('Please login as the user "$(id)" rather than the user "root".', ""),
        ("Please login as the user 'ec2-user' rather than the user 'root'.", "ec2-user"),
        ("Please log in as user admin.\n", "admin"),
        ("Please login as the user \u201copc\u201d.", "opc"),
        ("Please login as the user Debian.", ""),
        ("Please login as the user " + "a" * 33, ""),
        ('Please login as the user "debian; reboot".', ""),
        ("x" * 400 + 'Please login as the user "debian".', ""),
        ("login as root is not permitted", ""),
        ("", ""),
    ],
)
def test_required_login_is_read_only_in_its_own_form(said: str, account: str) -> None:
    assert facts.suggested_login_account(said) == account


def test_text_of_a_refused_login_is_short_and_harmless() -> None:
    text = facts.short_login_text("\x1b[2J\u202e Go\r\n  away " + "x" * 1_000_000)
    assert text.startswith(r"\x1b[2J\u202e Go\r away xxx")
    assert len(text) <= facts.MAX_LOGIN_TEXT + 1
    assert text.isprintable()

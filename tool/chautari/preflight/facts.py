"""The facts of a machine, before anything on it changes: `facts.sh` prints them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path

from chautari.node.safe_text import escape_controls
from chautari.preflight import existing_state, operator_lockout
from chautari.preflight.listeners import MAX_LISTENERS, Listener, parse_listener

SCRIPT = Path(__file__).with_name("facts.sh").read_text()
START = "chautari-facts"
_EVERY_MACHINE = ("os", "machine", "init", "memory_kb", "now")
MAX_LOGIN_TEXT = 300  # characters of what a machine says at a refused login
# The name has the form of `user` in region.yml, so that the fix is always valid there.
_ACCOUNT = r"([a-z_][a-z0-9_-]{0,31})"
_OTHER_LOGIN = re.compile(
    r"\blog ?in (?:as|with) (?:the )?user:? "
    rf"(?:\"{_ACCOUNT}\"|'{_ACCOUNT}'|\u201c{_ACCOUNT}\u201d|{_ACCOUNT}(?=[\s.,]|$))"
)
_NO_VALUE = ("", "unknown-unknown")
# A role, its release, and the beginning of the checksum that may follow it.
_RELEASE = re.compile(r"([a-z][a-z0-9_]{0,40}) (\d{1,4}(?:\.\d{1,4}){1,3})(?:-[0-9a-f]{8})?")
_MAX_RELEASES = 40


@dataclass(frozen=True)
class Facts:
    """A machine as the script found it. `skew` is node time minus ours, in seconds.

    `free` maps mount points to free kB; `listeners` are sockets that wait for others; `container`
    is what holds the machine when it is no machine of its own (lxc, openvz, podman);
    `addresses6` are its public IPv6 addresses. `missing` names the facts that every machine has
    and this one did not report. `existing` are pairs of a role and what it would replace, although
    it did not make it; `ours` are the roles that ran there, or began to. `access` holds the
    settings of sshd that apply to the operators. `releases` maps roles to the release in use,
    where a survey found it.
    """

    os: str = ""
    machine: str = ""
    uid: int = -1
    init: str = ""
    memory_kb: int = 0
    cores: int = 0
    container: str = ""
    addresses6: tuple[str, ...] = ()
    skew: float = 0.0
    skew_tolerance: float = 0.0
    venv: str = ""
    deployed: str = ""
    free: dict[str, int] = field(default_factory=dict)
    free_inodes: dict[str, int] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    missing: tuple[str, ...] = ()
    existing: tuple[tuple[str, str], ...] = ()
    ours: frozenset[str] = frozenset()
    access: tuple[operator_lockout.Access, ...] = ()
    releases: dict[str, str] = field(default_factory=dict)


def suggested_login_account(output: str) -> str:
    """Return the account that a machine asks to log in with instead; empty if it names none.

    Images of providers answer root's key so: `Please login as the user "debian" rather than the
    user "root".` (cloud-init, `disable_root_opts`).
    """
    found = _OTHER_LOGIN.search(output[:MAX_LOGIN_TEXT])
    return next(filter(None, found.groups()), "") if found else ""


def short_login_text(output: str) -> str:
    """Return what a machine says at a refused login as one short, printable line."""
    text = " ".join(escape_controls(output[: 2 * MAX_LOGIN_TEXT]).split())
    return text if len(text) <= MAX_LOGIN_TEXT else f"{text[:MAX_LOGIN_TEXT]}…"


def facts_script(
    installed: Mapping[str, str],
    takes_over: Mapping[str, Sequence[str]] | None = None,
    operators: Sequence[str] = (),
) -> str:
    """Return the script, which also reports the roles whose file in `installed` exists.

    `takes_over` are patterns of paths by the role that would replace them; `operators` are accounts
    that need to log in.
    """
    reports = [
        f"[ ! -e {shlex.quote(file)} ] || echo deployed={shlex.quote(role)}\n"
        for role, file in installed.items()
    ]
    parts = (
        existing_state.existing_state_script(takes_over or {}, operators),
        operator_lockout.ssh_access_script(operators),
    )
    return f"{SCRIPT}{''.join((*reports, *parts))}exit 0\n"


def parse_facts_output(lines: list[str], time_before: float, time_after: float) -> Facts | None:
    """Return the facts in what a machine printed when it ran `SCRIPT`.

    What a login shell prints comes first and is passed over. None stands for no answer: from a
    machine that did not run the script, nothing may be concluded.
    """
    if START not in lines:
        return None
    return parse_facts(lines[lines.index(START) + 1 :], time_before, time_after)


def parse_facts(lines: list[str], time_before: float, time_after: float) -> Facts:
    """Return the facts in `lines`, written between `time_before` and `time_after` (Unix)."""
    single: dict[str, str] = {}
    free: dict[str, int] = {}
    inodes: dict[str, int] = {}
    listeners: list[Listener] = []
    ours: set[str] = set()
    addresses6: list[str] = []
    existing: list[tuple[str, str]] = []
    access: list[operator_lockout.Access] = []
    releases: dict[str, str] = {}
    for line in lines:
        key, _, value = line.strip().partition("=")
        if key.startswith("free_kb:"):
            free[key.removeprefix("free_kb:")] = _parse_number(value)
        elif key.startswith("free_inodes:"):
            inodes[key.removeprefix("free_inodes:")] = _parse_number(value)
        elif key == "listener" and len(listeners) < MAX_LISTENERS:
            listeners += filter(None, [parse_listener(value)])
        elif key == "ours" and len(ours) < existing_state.MAX_ITEMS:
            ours.add(value)
        elif key == "existing" and len(existing) < existing_state.MAX_ITEMS:
            role, _, path = value.partition(" ")
            existing.append((role, path))
        elif key == "access" and len(access) < operator_lockout.MAX_LINES:
            access.append(operator_lockout.parse_ssh_access(value))
        elif key == "release" and len(releases) < _MAX_RELEASES:
            releases |= _version_by_name_in_line(value)
        elif key == "address6":
            addresses6.append(_parse_hex_ipv6(value))
        else:
            single[key] = value
    middle = (time_before + time_after) / 2
    return Facts(
        os=single.get("os", ""),
        machine=single.get("machine", ""),
        uid=_parse_number(single.get("uid", ""), -1),
        init=single.get("init", ""),
        memory_kb=_parse_number(single.get("memory_kb", "")),
        cores=_parse_number(single.get("cores", "")),
        container=_container_kind(single.get("container", "")),
        addresses6=tuple(filter(None, addresses6)),
        skew=_clock_skew(single.get("now", ""), middle),
        # `date` gives whole seconds, and the answer may have travelled all of the way back.
        skew_tolerance=1.0 + (time_after - time_before) / 2,
        venv=single.get("venv", ""),
        deployed=single.get("deployed", ""),
        free=free,
        free_inodes=inodes,
        listeners=tuple(listeners),
        existing=tuple(existing),
        ours=frozenset(ours),
        access=tuple(access),
        releases=releases,
        missing=tuple(key for key in _EVERY_MACHINE if single.get(key, "") in _NO_VALUE),
    )


def _version_by_name_in_line(text: str) -> dict[str, str]:
    found = _RELEASE.fullmatch(text)
    return {found[1]: found[2]} if found else {}


def _container_kind(text: str) -> str:
    return "" if text == "none" else text


def _parse_hex_ipv6(text: str) -> str:
    """Return an address of 32 hexadecimal digits as it is usually written."""
    try:
        return str(IPv6Address(bytes.fromhex(text)))
    except ValueError:
        return ""


def _clock_skew(now: str, middle_of_request: float) -> float:
    return _parse_number(now) - middle_of_request if now else 0.0


def _parse_number(text: str, otherwise: int = 0) -> int:
    """Return the number in `text`, or `otherwise` if it is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else otherwise

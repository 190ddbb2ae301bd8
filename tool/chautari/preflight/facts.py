"""The facts of a machine, before anything on it changes: `facts.sh` prints them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from ipaddress import IPv6Address

SCRIPT = (resources.files(__package__) / "facts.sh").read_text()


@dataclass(frozen=True)
class Facts:
    """A machine as the script found it. `skew` is node time minus ours, in seconds.

    `free` maps mount points to free kB, `listeners` local addresses to process descriptions;
    `container` is what holds the machine when it is no machine of its own (lxc, openvz, podman);
    `addresses6` are its public IPv6 addresses.
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
    listeners: tuple[tuple[str, str], ...] = ()


def script(installed: Mapping[str, str]) -> str:
    """Return the script, which also reports the roles whose file in `installed` exists."""
    reports = [
        f"[ ! -e {shlex.quote(file)} ] || echo deployed={shlex.quote(role)}\n"
        for role, file in installed.items()
    ]
    return "".join(reports) + SCRIPT


def parse(lines: list[str], asked: float, answered: float) -> Facts:
    """Return the facts that `SCRIPT` printed between the times `asked` and `answered` (Unix)."""
    single: dict[str, str] = {}
    free: dict[str, int] = {}
    inodes: dict[str, int] = {}
    listeners: list[tuple[str, str]] = []
    addresses6: list[str] = []
    for line in lines:
        key, _, value = line.strip().partition("=")
        if key.startswith("free_kb:"):
            free[key.removeprefix("free_kb:")] = _parse_number(value)
        elif key.startswith("free_inodes:"):
            inodes[key.removeprefix("free_inodes:")] = _parse_number(value)
        elif key == "listener":
            local, _, process = value.partition(" ")
            listeners.append((local, process.strip()))
        elif key == "address6":
            addresses6.append(_address6(value))
        else:
            single[key] = value
    middle = (asked + answered) / 2
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
        skew_tolerance=1.0 + (answered - asked) / 2,
        venv=single.get("venv", ""),
        deployed=single.get("deployed", ""),
        free=free,
        free_inodes=inodes,
        listeners=tuple(listeners),
    )


def _container_kind(text: str) -> str:
    return "" if text == "none" else text


def _address6(text: str) -> str:
    """Return an address of 32 hexadecimal digits as it is usually written."""
    try:
        return str(IPv6Address(bytes.fromhex(text)))
    except ValueError:
        return ""


def _clock_skew(now: str, middle: float) -> float:
    return _parse_number(now) - middle if now else 0.0


def _parse_number(text: str, otherwise: int = 0) -> int:
    """Return the number a machine wrote; one that writes no number has none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else otherwise

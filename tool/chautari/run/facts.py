"""What is asked of a bare machine before anything on it is touched: one POSIX shell script.

It needs neither Python nor any tool outside Debian's required packages.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MARKER = "/opt/chautari/venv/chautari-lock"

SCRIPT = f"""
. /etc/os-release 2>/dev/null
echo "os=${{ID:-unknown}}-${{VERSION_ID:-unknown}}"
echo "machine=$(uname -m)"
root=""
[ "$(id -u)" = 0 ] || root="sudo -n"
echo "uid=$($root id -u 2>/dev/null)"
echo "now=$(date +%s)"
echo "init=$(cat /proc/1/comm)"
while read -r key value unit; do
  [ "$key" = MemTotal: ] && echo "memory_kb=$value"
done < /proc/meminfo
for path in / /var /opt; do
  echo "free_kb:$path=$(df -Pk "$path" | tail -n 1 | (read -r a b c free rest; echo "$free"))"
  echo "free_inodes:$path=$(df -Pi "$path" | tail -n 1 | (read -r a b c free rest; echo "$free"))"
done
[ -e /opt/nextcloud/current ] && echo "deployed=nextcloud"
echo "venv=$(cat {MARKER} 2>/dev/null)"
$root ss -Hltnp 2>/dev/null | while read -r state receive send local peer process; do
  echo "listener=$local $process"
done
exit 0
"""


@dataclass(frozen=True)
class Facts:
    """A machine as the script found it. `skew` is node time minus ours, in seconds.

    `free` maps mount points to free kB, `listeners` local addresses to process descriptions.
    """

    os: str = ""
    machine: str = ""
    uid: int = -1
    init: str = ""
    memory_kb: int = 0
    skew: float = 0.0
    skew_tolerance: float = 0.0
    venv: str = ""
    deployed: str = ""
    free: dict[str, int] = field(default_factory=dict)
    free_inodes: dict[str, int] = field(default_factory=dict)
    listeners: tuple[tuple[str, str], ...] = ()


def parse(lines: list[str], asked: float, answered: float) -> Facts:
    """Return the facts that `SCRIPT` printed between the times `asked` and `answered` (Unix)."""
    single: dict[str, str] = {}
    free: dict[str, int] = {}
    inodes: dict[str, int] = {}
    listeners: list[tuple[str, str]] = []
    for line in lines:
        key, _, value = line.strip().partition("=")
        if key.startswith("free_kb:"):
            free[key.removeprefix("free_kb:")] = _number(value)
        elif key.startswith("free_inodes:"):
            inodes[key.removeprefix("free_inodes:")] = _number(value)
        elif key == "listener":
            local, _, process = value.partition(" ")
            listeners.append((local, process.strip()))
        else:
            single[key] = value
    middle = (asked + answered) / 2
    return Facts(
        os=single.get("os", ""),
        machine=single.get("machine", ""),
        uid=_number(single.get("uid", ""), -1),
        init=single.get("init", ""),
        memory_kb=_number(single.get("memory_kb", "")),
        skew=_skew(single.get("now", ""), middle),
        # `date` gives whole seconds, and the answer may have travelled all of the way back.
        skew_tolerance=1.0 + (answered - asked) / 2,
        venv=single.get("venv", ""),
        deployed=single.get("deployed", ""),
        free=free,
        free_inodes=inodes,
        listeners=tuple(listeners),
    )


def _skew(now: str, middle: float) -> float:
    return _number(now) - middle if now else 0.0


def _number(text: str, otherwise: int = 0) -> int:
    """Return the number a machine wrote; one that writes no number has none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else otherwise

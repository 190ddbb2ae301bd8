"""The results: a file for programs and lines for people."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure

FILE = Path(__file__).with_name("results.json")


def machine() -> dict[str, Any]:
    """Return what a reader has to know of the machine that measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mb": round(memory),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def merged(
    old: Mapping[str, Any], benches: Mapping[str, Sequence[Figure]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the results with those of `benches` replaced; what was not run stays."""
    kept = [item for item in old.get("figures", ()) if item.get("bench") not in benches]
    day = time.strftime("%Y-%m-%d")
    new = [
        {"bench": bench, "measured": day} | asdict(figure)
        for bench, figures in benches.items()
        for figure in figures
    ]
    return {"machine": dict(facts), "figures": kept + new}


def write(file: Path, benches: Mapping[str, Sequence[Figure]], facts: Mapping[str, Any]) -> None:
    """Write the results of `benches` into `file`."""
    try:
        old = json.loads(file.read_text())
    except (OSError, ValueError):
        old = {}
    text = json.dumps(merged(old, benches, facts), indent=2, ensure_ascii=False) + "\n"
    file.write_text(text)


def line(figure: Figure) -> str:
    """Return one figure as a person reads it."""
    verdict = {True: "met", False: "NOT MET", None: ""}[figure.met]
    ours = "-" if figure.ours is None else f"{figure.ours:g} {figure.unit}"
    peer = "null" if figure.peer is None else f"{figure.peer:g} {figure.unit}"
    beside = f" | {figure.against or 'peer'}: {peer}" + _factor(figure)
    remarks = "; ".join(filter(None, (figure.reason, figure.note)))
    simulated = " (simulated)" if figure.simulated else ""
    tail = f"\n      {remarks}" if remarks else ""
    return f"  {figure.name}{simulated}: {ours}{beside} | {figure.goal} {verdict}".rstrip() + tail


def _factor(figure: Figure) -> str:
    if not figure.ratio:
        return ""
    if figure.ratio < 1:
        return f" (our command takes 1/{1 / figure.ratio:.3g})"
    return f" (our command takes {figure.ratio:.3g} times as much)"

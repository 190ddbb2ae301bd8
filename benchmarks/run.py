"""`python -m benchmarks`: runs the benches, prints what they found, writes `results.json`."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.benches import BENCHES, Bench
from benchmarks.lab import Lab
from benchmarks.measure import BenchError, Figure, figure


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 1 when a bench broke, never because of a time."""
    asked = _parser().parse_args(arguments)
    # Ended by a signal, the containers are taken down as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.list:
        for bench in BENCHES:
            print(f"{bench.name:<16} {bench.title}")
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    chosen = [bench for bench in BENCHES if not asked.only or bench.name in asked.only]
    facts = results.machine()
    broken = 0
    with Lab() as lab:
        for bench in chosen:
            figures = _carry_out(bench, lab, asked.rounds)
            broken += any(item.ours is None and not item.against for item in figures)
            for item in figures:
                print(results.line(item))
            # After each bench, so that an interrupted campaign keeps what it has.
            results.write(asked.output, {bench.name: figures}, facts)
    print(f"\n{asked.output}")
    return 1 if broken else 0


def _carry_out(bench: Bench, lab: Lab, rounds: int) -> list[Figure]:
    print(f"\n== {bench.name}: {bench.title}")
    began = time.monotonic()
    try:
        figures = bench.run(lab, rounds)
    except BenchError as error:
        print(f"  {error}", file=sys.stderr)
        figures = [figure(bench.name, (), reason=str(error).splitlines()[0])]
    print(f"  ({time.monotonic() - began:.0f} s in all)")
    return figures


def _parser() -> argparse.ArgumentParser:
    names = [bench.name for bench in BENCHES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say which benches there are")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (5)")
    parser.add_argument("--output", type=Path, default=results.FILE, help="the results' file")
    return parser

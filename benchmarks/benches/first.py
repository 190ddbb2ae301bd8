"""The first deploy of a node: how much ours adds to what apt and the archives take."""

from __future__ import annotations

import shlex

import yaml

from benchmarks import peers
from benchmarks.lab import Lab
from benchmarks.measure import Command, Figure, Sample, at_most_times, figure, once, seconds

NODE = "cloud"
FACTOR = 1.3
ROUNDS = 3
NARROW = 8  # Mbit/s, a household's line; what one of the benches lets through to the node
_FETCH = "import sys,urllib.request as u;u.urlretrieve(sys.argv[1],sys.argv[2])"


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Deploy to a fresh node by turns with apt alone and stock push; three rounds at most.

    The region was deployed before, so that the sandbox's cache of packages is warm for everyone.
    """
    lab.deployed()
    archives = _archives(lab)
    after = _packages(lab)
    found: dict[str, list[Sample]] = {"ours": [], "apt": [], "stock": []}
    for turn in range(min(rounds, ROUNDS)):
        lab.fresh()
        new = sorted(after - _packages(lab))
        found["apt"].append(once(lab.inside(NODE, floor(new, archives))))
        lab.fresh()
        found["ours"].append(once(lab.redeploy("--node", NODE)))
        lab.fresh()
        found["stock"].append(_stock(lab))
        told = ", ".join(f"{name} {samples[-1].seconds:.0f} s" for name, samples in found.items())
        print(f"  round {turn + 1}: {told} ({len(new)} packages, {len(archives)} archives)")
    note = "; ".join(filter(None, ("the peer installs no Ansible on the node", lab.no_checks()[1])))
    return [
        figure(
            "first deploy of a node, compared with apt", seconds(found["ours"]),
            seconds(found["apt"]),
            goal=at_most_times(FACTOR), against="only apt and the archives", note=note,
        ),
        figure(
            "first deploy of a node, compared with stock push", seconds(found["ours"]),
            seconds(found["stock"]),
            goal=at_most_times(1), against="deploy prepare and stock push",
            note=lab.no_checks()[1],
        ),
    ]  # fmt: skip


def narrow(lab: Lab, rounds: int) -> list[Figure]:
    """The same over a line that is as narrow as a household's, beside apt alone."""
    lab.deployed()
    archives, after = _archives(lab), _packages(lab)
    ours, apt = [], []
    for turn in range(min(rounds, ROUNDS)):
        lab.fresh()
        script = floor(sorted(after - _packages(lab)), archives)
        lab.narrow(NODE, NARROW)
        apt.append(once(lab.inside(NODE, script)))
        lab.fresh()
        lab.narrow(NODE, NARROW)
        ours.append(once(lab.redeploy("--node", NODE)))
        print(
            f"  round {turn + 1}: our deploy {ours[-1].seconds:.0f} s, apt {apt[-1].seconds:.0f} s"
        )
    return [
        figure(
            f"first deploy of a node at {NARROW} Mbit/s, compared with apt", seconds(ours),
            seconds(apt),
            goal=at_most_times(FACTOR), against="only apt and the archives",
            note="; ".join(filter(None, ("the peer installs no Ansible", lab.no_checks()[1]))),
        )
    ]  # fmt: skip


def floor(packages: list[str], archives: list[str]) -> str:
    """Return the shell script of apt's and the archives' own work."""
    lines = [
        "set -e",
        "export DEBIAN_FRONTEND=noninteractive",
        "apt-get -q -q update",
        "apt-get -q -q -y install --no-install-recommends " + shlex.join(packages),
    ]
    for number, url in enumerate(archives):
        file, folder = f"/var/tmp/archive{number}", f"/var/tmp/unpacked{number}"
        lines.append(f"python3 -c '{_FETCH}' {shlex.quote(url)} {file}")
        lines.append(f"sha256sum {file} && mkdir {folder} && tar -xf {file} -C {folder}")
    return "\n".join(lines) + "\n"


def _packages(lab: Lab) -> set[str]:
    asked = lab.inside(NODE, "dpkg-query -W -f '${Package}\\n'")
    return set(once(asked).stdout.split())


def _archives(lab: Lab) -> list[str]:
    text = (lab.inventory / "host_vars" / NODE / "main.yml").read_text()
    values = yaml.safe_load(text.replace("!unsafe ", ""))
    return [values["nextcloud_url"], *(app["url"] for app in values["nextcloud_apps"])]


def _stock(lab: Lab) -> Sample:
    """Prepare the node, which plain Ansible needs too, and push."""
    prepared = lab.run("prepare", str(lab.region), "--node", NODE)
    pushed: Command = peers.push(lab, [NODE])
    sample = once(pushed)
    return Sample(prepared.seconds + sample.seconds, prepared.cpu + sample.cpu, sample.memory)

"""The benches' own region, in containers: a copy in a temporary folder, gone at the end."""

from __future__ import annotations

import functools
import ipaddress
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.measure import BenchError, Command, Sample, once
from chautari_sandbox.privileges import as_root
from chautari_sandbox.subnet_conflicts import subnet_conflict

ROOT = Path(__file__).resolve().parents[1]
REGION = Path(__file__).with_name("region.yml.in")
DEPLOY = str(Path(sys.executable).with_name("deploy"))
NODES = ("ground", "cloud")
# Where a network of the containers may lie; the first that this machine does not need is taken.
NETWORKS = (
    "203.0.113.0/26", "203.0.113.64/26", "192.0.2.128/26", "192.0.2.192/26", "198.51.100.128/26",
)  # fmt: skip
FIRST_NODE = 10  # in the network; what comes before is the sandbox's
SSH_PORT = 22
ROUND_TRIP = 0.3
# Takes the address of a node for that of the proxy in front of it, and nothing else.
_WRAPPER = """\
#!/bin/sh
for argument do
  shift
  case "$argument" in
{cases}  esac
  set -- "$@" "$argument"
done
exec {program} ${{port:+-p "$port" -o "HostKeyAlias=$alias"}} "$@"
"""


class Lab:
    """Where the benches run; what a bench does not ask for is not started."""

    def __init__(self) -> None:
        """Make the folder; containers come with the first bench that wants them."""
        self.folder = Path(tempfile.mkdtemp(prefix="chautari-bench-"))
        self._up = self._deployed = False
        self._count = 0

    def __enter__(self) -> Lab:
        """Give the lab; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the containers down and delete the folder."""
        if self._up:
            self.run("sandbox", "down", str(self.region), "--purge")
        shutil.rmtree(self.folder, ignore_errors=True)

    @functools.cached_property
    def network(self) -> str:
        """Return a network that this machine does not need itself."""
        free = (network for network in NETWORKS if not subnet_conflict(network))
        if found := next(free, None):
            return found
        raise BenchError(f"none of these networks is free here: {', '.join(NETWORKS)}")

    @functools.cached_property
    def addresses(self) -> dict[str, str]:
        """Return the address of each node."""
        network = ipaddress.ip_network(self.network)
        return {name: str(network[FIRST_NODE + index]) for index, name in enumerate(NODES)}

    @functools.cached_property
    def region(self) -> Path:
        """Return the bench region's own `region.yml`."""
        text = REGION.read_text().replace("NETWORK", self.network)
        for name, address in self.addresses.items():
            text = text.replace(name.upper(), address)
        folder = self.folder / "inventories" / "bench"
        folder.mkdir(parents=True)
        (folder / "region.yml").write_text(text)
        return folder / "region.yml"

    @property
    def env(self) -> dict[str, str]:
        """Return what the tool's commands run with: a state of their own, no colours."""
        return {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    @property
    def key(self) -> Path:
        """Return the private key that opens the nodes."""
        return self.folder / "state" / "chautari" / "sandbox" / "bench" / "keys" / "operator"

    @property
    def known_hosts(self) -> Path:
        """Return the file that pins the nodes' host keys."""
        return self.region.with_name("known_hosts")

    def command(self, *arguments: str, **env: str) -> Command:
        """Return a `deploy` command."""
        return Command((DEPLOY, *arguments), self.env | env)

    def run(self, *arguments: str) -> Sample:
        """Run a `deploy` command."""
        return once(self.command(*arguments))

    def place(self, name: str) -> Path:
        """Return a fresh folder; its path is short, since sockets lie in some of them."""
        self._count += 1
        folder = self.folder / f"{name}{self._count}"
        folder.mkdir()
        return folder

    def deployed(self) -> Lab:
        """Have the region up and deployed; done once."""
        if not self._deployed:
            self.fresh()
            print("  (deploying the bench region for the first time)")
            self.run("region", str(self.region))
            self._deployed = True
        return self

    def fresh(self) -> None:
        """Have the region's nodes as a provider hands them over."""
        if shutil.which("podman") is None:
            raise BenchError("podman is not installed; install it with: make setup")
        self._deployed = False
        # Also what an earlier run left, whose keys are gone.
        self.run("sandbox", "down", str(self.region))
        self._up = True
        self.run("sandbox", "up", str(self.region))
        self.known_hosts.unlink(missing_ok=True)

    @functools.cached_property
    def inventory(self) -> Path:
        """Return the rendered inventory that plain Ansible works with."""
        folder = self.folder / "rendered"
        self.run("render", str(self.region), "-o", str(folder))
        return folder

    def region_changed(self) -> None:
        """Forget the rendered inventory: it is rendered anew when it is asked for."""
        vars(self).pop("inventory", None)

    def no_checks(self) -> tuple[tuple[str, ...], str]:
        """Return the option that leaves the checks out, and a remark when there is none."""
        return self._option("--no-checks", "our command includes checks: deploy cannot skip them")

    def full(self) -> tuple[tuple[str, ...], str]:
        """Return the option that runs every role, and a remark when that is what happens anyway."""
        return self._option("--full", "every role runs: deploy cannot skip any yet")

    def _option(self, name: str, remark: str) -> tuple[tuple[str, ...], str]:
        there = name in self.run("region", "--help").stdout
        return ((name,), "") if there else ((), remark)

    def redeploy(self, *arguments: str, **env: str) -> Command:
        """Return the command that deploys the region again, without checks where that is known."""
        return self.command("region", str(self.region), *self.no_checks()[0], *arguments, **env)

    def ssh(self, node: str, *remote: str) -> tuple[str, ...]:
        """Return the argv of one cold SSH command, with the options that `deploy` uses."""
        return (
            "ssh", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
            "-o", f'UserKnownHostsFile="{self.known_hosts}"', "-o", "GlobalKnownHostsFile=none",
            "-o", "ControlPath=none", "-o", "LogLevel=ERROR", "-i", str(self.key),
            "-o", "IdentitiesOnly=yes", "-l", "root", self.addresses[node], *remote,
        )  # fmt: skip

    def inside(self, node: str, script: str) -> Command:
        """Return a command that runs a shell script on a node without any connection to it."""
        argv = ("podman", "exec", "-i", f"chautari_bench_{node}", "sh", "-s")
        return Command(as_root(argv), stdin=script.encode())

    def narrow(self, node: str, megabits: int) -> None:
        """Let no more than so many Mbit/s reach the node until it is handed over anew.

        The bucket holds 64 kB and the queue a second's worth: a home's line, not a lossy one.
        """
        asked = once(self.inside(node, "cat /sys/class/net/eth0/iflink")).stdout
        links = json.loads(once(Command(("ip", "-json", "link"))).stdout)
        outside = next(link["ifname"] for link in links if link["ifindex"] == int(asked))
        once(Command(as_root((
            "tc", "qdisc", "replace", "dev", outside, "root", "tbf", "rate", f"{megabits}mbit",
            "burst", "64kb", "latency", "1s",
        ))))  # fmt: skip

    def report(self, sample: Sample) -> dict[str, Any]:
        """Return the report that a `deploy … --json` printed."""
        found: dict[str, Any] = json.loads(sample.stdout)
        return found

    @contextmanager
    def through(self, ports: Mapping[str, int]) -> Iterator[dict[str, str]]:
        """Give an environment in which `ssh` and `sftp` reach each node through a local port."""
        folder = self.place("bin")
        hosts = {self.addresses[node]: port for node, port in ports.items()}
        for program in ("ssh", "sftp"):
            file = folder / program
            file.write_text(wrapper(program, hosts, str(folder / "ssh")))
            file.chmod(0o755)
        yield {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


def wrapper(program: str, hosts: Mapping[str, int], ssh: str) -> str:
    """Return a shell script that stands before `program` and leads it to the local ports.

    `sftp` is only told to use our `ssh`, which then sees the address.
    """
    real = shutil.which(program) or f"/usr/bin/{program}"
    if program == "sftp":
        return f'#!/bin/sh\nexec {real} -S {ssh} "$@"\n'
    cases = "".join(
        f"    {address}) argument=127.0.0.1 port={port} alias={address} ;;\n"
        for address, port in hosts.items()
    )
    return _WRAPPER.format(cases=cases, program=real)

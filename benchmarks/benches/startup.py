"""How long a person waits for the command itself."""

from __future__ import annotations

from benchmarks import peers
from benchmarks.lab import DEPLOY, ROOT, Lab
from benchmarks.measure import Command, Figure, at_most, figure, interleaved, once, seconds

HELP_SECONDS = 0.12
VALIDATE_SECONDS = 0.3
DEMO = ROOT / "inventories" / "demo" / "region.yml"


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Time `--help` and `validate` beside `ansible-playbook`."""
    rendered = lab.place("demo")
    lab.run("render", str(DEMO), "-o", str(rendered), "--no-secrets")
    config = {"ANSIBLE_ROLES_PATH": str(ROOT / "roles")}
    version = Command((peers.ANSIBLE, "--version"))
    syntax = Command((peers.ANSIBLE, "--syntax-check", "-i", str(rendered), peers.PLAYBOOK), config)
    found = interleaved(
        {
            "deploy --help": lambda: once(Command((DEPLOY, "--help"))),
            "ansible-playbook --version": lambda: once(version),
            "deploy validate": lambda: once(Command((DEPLOY, "validate", str(DEMO)))),
            "ansible-playbook --syntax-check": lambda: once(syntax),
        },
        max(rounds, 5),
        lambda _: None,
    )
    help_, version_, validate, check = (seconds(samples) for samples in found.values())
    return [
        figure(
            "deploy --help", help_, version_, goal=at_most(HELP_SECONDS, "s"),
            against="ansible-playbook --version",
        ),
        figure(
            "deploy validate demo", validate, check, goal=at_most(VALIDATE_SECONDS, "s"),
            against="ansible-playbook --syntax-check of the rendered region",
        ),
    ]  # fmt: skip

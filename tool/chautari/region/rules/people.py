"""Rules about the people who operate a region."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from chautari.language import _
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule


def check_operators_exist_and_have_keys(region: Region, __: Pins) -> Iterator[Finding]:
    """Secrets are encrypted to the operators' keys; without an operator no key opens them."""
    if not region.operators and region.sandbox is None:
        yield (
            ("operators",),
            _(
                "the region has no operator who can log in and decrypt the secrets; add one, "
                "for example: ana: ssh-ed25519 AAAA… ana@laptop"
            ),
        )
    for name, keys in region.operators.items():
        if not keys:
            yield (
                ("operators", name),
                _("this operator has no key; paste the line from ~/.ssh/id_ed25519.pub"),
            )


SYSTEM_PREFIXES = ("systemd-", "chautari-", "bbb-")


@cache
def _system_accounts() -> frozenset[str]:
    text = Path(__file__).with_name("system_accounts.txt").read_text()
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def is_reserved_account(name: str) -> bool:
    """Return whether a system has or may get an account or group called `name`."""
    return name in _system_accounts() or name.startswith(SYSTEM_PREFIXES)


def check_operators_are_not_other_accounts(region: Region, __: Pins) -> Iterator[Finding]:
    """An operator with another account's name would take it over, and lock it on leaving."""
    logins = {node.user: name for name, node in region.nodes.items()}
    for name in region.operators:
        if is_reserved_account(name):
            yield (
                ("operators", name),
                _(
                    "{name} is reserved for a system account or group; give the operator "
                    "another name",
                    name=name,
                ),
            )
        elif name in logins:
            yield (
                ("operators", name),
                _(
                    "{name} is the `user` of node {logins}; give the operator another name",
                    name=name,
                    logins=logins[name],
                ),
            )


RULES: tuple[Rule, ...] = (
    check_operators_exist_and_have_keys,
    check_operators_are_not_other_accounts,
)

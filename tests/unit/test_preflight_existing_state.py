"""What was on a machine before: how it is reported, refused and adopted."""

from __future__ import annotations

import subprocess

import pytest

from chautari.preflight import existing_state, facts
from chautari.services.registry import ROLES

FOUND = (
    ("nginx", "/etc/nginx/sites-enabled/radio"),
    ("firewall", "/etc/nftables.conf"),
    ("nginx", "/etc/nginx/sites-enabled/library"),
    ("firewall", "nftables: inet coop"),
)


def test_machine_is_refused_once_for_each_role_with_every_name() -> None:
    refusals = list(existing_state.existing_state_refusals(FOUND, ()))
    assert [refusal.code for refusal in refusals] == ["existing_state"] * 2
    assert "/etc/nginx/sites-enabled/radio, /etc/nginx/sites-enabled/library" in refusals[0].reason
    assert "`adopt: [nginx]`" in refusals[0].fix
    assert "nftables: inet coop" in refusals[1].reason


def test_role_that_the_region_adopts_is_not_refused() -> None:
    [refusal] = existing_state.existing_state_refusals(FOUND, ("nginx",))
    assert refusal.data["role"] == "firewall"
    assert list(existing_state.existing_state_refusals(FOUND, ("nginx", "firewall"))) == []


def test_paths_of_a_machine_are_quoted() -> None:
    hostile = (
        ("nginx", "/etc/nginx/conf.d/$(touch x).conf"),
        ("firewall", "nftables: inet x; reboot"),
        ("nginx", "/etc/nginx/conf.d/'; reboot; '.conf"),
    )
    script = existing_state.copy_adopted_and_mark_ours_script(("base", "nginx"), hostile)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    *_, calls, claim = script.rstrip().splitlines()
    assert calls.startswith("adopt_paths '/etc/nginx/conf.d/$(touch x).conf' ")
    assert claim == "claim_roles base nginx"
    assert "inet x; reboot" not in script


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_script_with_every_role_is_valid_and_ends_well(shell: str) -> None:
    patterns = {role: ["/nowhere/*", "/etc/no such file"[:8]] for role in ROLES}
    script = facts.facts_script(
        {}, {**patterns, "firewall": ["/nowhere", "nftables:"], "ssh": ["sshd:"]}
    )
    subprocess.run([shell, "-n"], input=script, text=True, check=True)
    assert script.rstrip().endswith("exit 0")
    assert facts.facts_script({}, {}) == facts.facts_script({})


def test_operators_get_a_key_and_so_keep_their_login() -> None:
    script = existing_state.existing_state_script({"ssh": ["sshd:"]}, ("ana", "luz"))
    assert "report_existing_logins ssh ana luz\n" in script


def test_number_of_items_that_a_machine_reports_is_limited() -> None:
    found = facts.parse_facts([f"existing=nginx /{number}" for number in range(10_000)], 0, 0)
    assert len(found.existing) == existing_state.MAX_ITEMS

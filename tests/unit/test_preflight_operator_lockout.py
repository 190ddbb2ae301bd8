"""Settings of a machine's sshd that keep an operator out are found before anything changes."""

from __future__ import annotations

import subprocess
import time

import pytest

from chautari.preflight import facts, operator_lockout

# As `sshd -T` of Debian 12 prints them where nothing was changed.
USUAL = (
    ("ana", "groups", "ana"),
    ("ana", "pubkeyauthentication", "yes"),
    ("ana", "authorizedkeysfile", ".ssh/authorized_keys .ssh/authorized_keys2"),
    ("ana", "authenticationmethods", "any"),
)


def obstacle(*settings: tuple[str, str]) -> str:
    """Return the setting that a refusal names; empty when ana may log in."""
    changed = {keyword for keyword, _ in settings}
    usual = [line for line in USUAL if line[1] not in changed]
    access = [*usual, *(("ana", keyword, value) for keyword, value in settings)]
    found = list(operator_lockout.locked_out_operator_refusals(access))
    assert all((one.code, one.data["account"]) == ("operator_kept_out", "ana") for one in found)
    return "".join(str(one.data["setting"]) for one in found)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([("allowusers", "root"), ("allowusers", "backup")], "AllowUsers root backup"),
        ([("allowgroups", "wheel")], "AllowGroups wheel"),
        ([("denyusers", "an?")], "DenyUsers an?"),
        ([("groups", "ana staff"), ("denygroups", "staff")], "DenyGroups staff"),
        ([("allowusers", "*"), ("allowusers", "!ana")], "AllowUsers * !ana"),
        ([("pubkeyauthentication", "no")], "PubkeyAuthentication no"),
        ([("authorizedkeysfile", "/etc/ssh/keys/%u")], "AuthorizedKeysFile /etc/ssh/keys/%u"),
        (
            [("authenticationmethods", "publickey,password")],
            "AuthenticationMethods publickey,password",
        ),
    ],
)
def test_operator_who_cannot_log_in_is_named_with_the_setting(
    settings: list[tuple[str, str]], expected: str
) -> None:
    assert obstacle(*settings) == expected


@pytest.mark.parametrize(
    "settings",
    [
        [],
        [("allowusers", "root"), ("allowusers", "a*")],
        [("allowusers", "ana@192.0.2.0/24")],
        [("groups", "ana staff"), ("allowgroups", "staff")],
        [("allowgroups", "chautari-*")],
        [("denyusers", "ana@192.0.2.7")],
        [("authorizedkeysfile", "/etc/ssh/keys/%u %h/.ssh/authorized_keys")],
        [("authenticationmethods", "publickey,password publickey")],
    ],
)
def test_operator_who_can_log_in_is_not_refused(settings: list[tuple[str, str]]) -> None:
    assert obstacle(*settings) == ""


def test_refusal_says_what_to_change() -> None:
    [refusal] = operator_lockout.locked_out_operator_refusals(
        [*USUAL, ("ana", "allowusers", "root")]
    )
    assert "let ana log in, because of this setting: AllowUsers root." in refusal.reason
    assert "systemctl reload ssh" in refusal.fix


def test_script_reports_every_operator_and_is_valid() -> None:
    script = operator_lockout.ssh_access_script(("ana", "luz"))
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert 'report_access "$1" ana luz\n' in script
    assert operator_lockout.ssh_access_script(()) == ""
    assert facts.facts_script({}, {}, ("ana",)).rstrip().endswith("exit 0")


def test_facts_hold_the_settings_of_each_operator_up_to_a_limit() -> None:
    found = facts.parse_facts(["access=ana allowusers root bo", "access=ana", "access="], 0, 0)
    assert found.access == (("ana", "allowusers", "root bo"), ("ana", "", ""), ("", "", ""))
    flood = facts.parse_facts(["access=ana allowusers x"] * 9_999, 0, 0)
    assert len(flood.access) == operator_lockout.MAX_LINES


@pytest.mark.parametrize(
    "patterns",
    ["*" * 5000 + "x", "*a" * 120 + "x", "*n*" * 30_000, " ".join(f"*{n}x" for n in range(20_000))],
)
def test_patterns_of_a_hostile_machine_take_no_time(patterns: str) -> None:
    """The worker serves all nodes: one of them must not stop it."""
    groups = " ".join(f"{n}{'a' * 100}" for n in range(1000))
    began = time.process_time()
    assert obstacle(("groups", groups), ("allowgroups", patterns)).startswith("AllowGroups *")
    assert obstacle(("allowusers", patterns)).startswith("AllowUsers *")
    assert time.process_time() - began < 2


@pytest.mark.parametrize("pattern", ["[a]na", "a[n]a", "an[", "[!x]na"])
def test_brackets_are_plain_signs_for_sshd(pattern: str) -> None:
    assert obstacle(("allowusers", f"{pattern} x*")) == f"AllowUsers {pattern} x*"

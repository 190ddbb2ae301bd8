"""What the role base does with accounts that existed before, evaluated by Ansible's templar."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from templates import variables_of_role

ANA = ["x", "1001", "100", "Ana", "/srv/ana", "/usr/bin/zsh"]
OPEN = ["*", "20000", "0", "99999", "7", "", "", ""]


def value(name: str, passwd: list[str] | None, shadow: list[str] | None = None) -> Any:
    """Return a variable of the role for the operator `ana` with this account."""
    facts = {
        "getent_passwd": {"ana": passwd} if passwd else {},
        "getent_shadow": {"ana": shadow or OPEN} if passwd else {},
    }
    given = variables_of_role("base", "vars") | {
        "ansible_facts": facts, "__base_operator": {"name": "ana"},
    }  # fmt: skip
    return Templar(loader=DataLoader(), variables=given).template(given[name])


def test_home_and_group_come_from_the_account_database() -> None:
    assert value("__base_home", ANA) == "/srv/ana"
    assert str(value("__base_group", ANA)) == "100"


def test_account_that_does_not_exist_yet_gets_debian_s_home_and_group() -> None:
    assert value("__base_home", None) == "/home/ana"
    assert value("__base_group", None) == "ana"


@pytest.mark.parametrize(
    ("passwd", "stays"),
    [(ANA, True), (None, False), ([*ANA[:5], "/usr/sbin/nologin"], False), ([*ANA[:5], ""], False)],
)
def test_shell_stays_if_it_accepts_logins(passwd: list[str] | None, stays: bool) -> None:
    assert value("__base_account_has_shell", passwd) is stays


@pytest.mark.parametrize(
    ("passwd", "shadow", "words"),
    [
        (None, None, ""),
        (ANA, OPEN, ""),
        (ANA, ["!", *OPEN[1:]], ""),  # without a password there is nothing to unlock
        (ANA, ["!$y$x", *OPEN[1:]], "Its password is unlocked."),
        (ANA, [*OPEN[:6], "20100", ""], "It no longer expires."),
        ([*ANA[:5], "/bin/false"], OPEN, "Its shell is now /bin/bash instead of /bin/false."),
    ],
)
def test_changes_to_an_account_are_reported(
    passwd: list[str] | None, shadow: list[str] | None, words: str
) -> None:
    assert " ".join(value("__base_account_changes", passwd, shadow)) == words

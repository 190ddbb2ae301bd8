"""Operators log in with their own accounts, and the key of one who left opens nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import REGIONS, Outcome, Proof

from chautari_sandbox import paths

pytestmark = pytest.mark.containers
NODE, ADDRESS = "lima", "198.51.100.42"
ROOT_KEYS = "/root/.ssh/authorized_keys"


class Leaving(Proof):
    """The region `leaving`; the tests run in their order, as in the life of a region."""

    container_prefix = "chautari_leaving_"

    def key(self, person: str) -> Path:
        return self.folder / "keys" / person

    def line(self, person: str) -> str:
        return Path(f"{self.key(person)}.pub").read_text().strip()

    def make_key(self, person: str) -> None:
        self.key(person).parent.mkdir(exist_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{person}@laptop"]
        subprocess.run([*argv, "-f", str(self.key(person))], check=True)

    def can_log_in(self, person: str, account: str, command: str = "true") -> bool:
        """Return whether a key opens an account; only the answer of sshd counts."""
        argv = ["ssh", "-F", "none", "-i", str(self.key(person)), "-o", "IdentitiesOnly=yes"]
        argv += ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
        argv += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        done = subprocess.run(
            [*argv, f"{account}@{ADDRESS}", command], capture_output=True, text=True, timeout=60,
            check=False, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
        return done.returncode == 0

    def logins(self) -> list[str]:
        """Return the accounts that logged in since the machine started, in their order."""
        command = "journalctl -q -t sshd -t sshd-session | sed -n 's/.*Accepted publickey for "
        return self.on(NODE, "sh", "-c", command + "\\([^ ]*\\) .*/\\1/p'").split()

    def audit(self) -> list[dict[str, Any]]:
        text = self.on(NODE, "cat", "/var/log/chautari/audit.log")
        return [json.loads(line) for line in text.splitlines()]

    def add_root_key(self, person: str, account_file: str = ROOT_KEYS) -> None:
        script = 'mkdir -p "${2%/*}" && echo "$1" >> "$2"'
        self.on(NODE, "sh", "-c", script, "-", self.line(person), account_file)


@pytest.fixture(scope="module")
def region() -> Iterator[Leaving]:
    folder = paths.cache_dir() / "tests" / "leaving"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = Leaving(folder)
    text = (REGIONS / "leaving" / "region.yml").read_text()
    for person in ("ana", "luz", "eva"):
        found.make_key(person)
        text = text.replace(f"KEY_OF_{person.upper()}", found.line(person))
    found.write(text)
    assert found.deploy("sandbox up").code == 0
    # The provider's console wrote these keys.
    for person in ("luz", "eva"):
        found.add_root_key(person)
    yield found
    found.deploy("sandbox down", "--purge")


def notices(outcome: Outcome) -> str:
    return "\n".join(notice["text"] for notice in outcome.node(NODE)["notices"])


def failed_checks(outcome: Outcome) -> list[str]:
    results = outcome.report["checks"]["results"]
    return [item["check"] for item in results if item["outcome"] == "failed"]


def test_first_deploy_names_other_keys_and_keeps_them(region: Leaving) -> None:
    outcome = region.deploy("region", "--json")
    assert outcome.code == 0, outcome.problems
    assert "root: SHA256:" in notices(outcome) and "(eva@laptop)" in notices(outcome)
    assert "(luz@laptop)" not in notices(outcome)
    # The last login tried the operator's own account, which the next commands use.
    assert region.logins()[-1] == "sandbox" and set(region.logins()) == {"root", "sandbox"}
    assert region.can_log_in("luz", "luz", "sudo -n true") and region.can_log_in("eva", "root")
    assert "eva@laptop" in region.deploy("status", "--json").stdout


def test_deploy_without_changes_logs_in_once_with_the_own_account(region: Leaving) -> None:
    before, audit = region.logins(), region.audit()
    outcome = region.deploy("region", "--no-checks", "--json")
    assert outcome.code == 0, outcome.problems
    assert region.logins()[len(before) :] == ["sandbox"]
    assert region.audit() == audit
    outcome = region.deploy("region", "--full", "--json")
    assert outcome.code == 0, outcome.problems
    assert outcome.node(NODE)["changed"] == 0
    [entry] = region.audit()[len(audit) :]
    assert (entry["what"], entry["operator"], entry["account"]) == ("deploy", "ana", "sandbox")
    assert entry["key"].startswith("SHA256:") and entry["address"]


def test_key_of_an_operator_who_left_opens_no_account(region: Leaving) -> None:
    outcome = region.deploy("operators remove", "luz", "--json")
    assert outcome.code == 0, outcome.stderr
    outcome = region.deploy("region", "--json")
    assert outcome.code == 0, outcome.problems
    assert "(luz@laptop)" in notices(outcome)
    assert not region.can_log_in("luz", "luz")
    assert not region.can_log_in("luz", "root")
    assert region.can_log_in("eva", "root")
    assert region.deploy("verify", "--json").code == 0
    changes = [entry for entry in region.audit() if entry["what"] == "operators_changed"]
    assert [entry["removed"] for entry in changes] == [["luz"]]


def test_key_that_comes_back_fails_the_checks_until_a_deploy_removes_it(region: Leaving) -> None:
    region.on(NODE, "useradd", "--create-home", "--shell", "/bin/bash", "radio")
    file = "/home/radio/.ssh/authorized_keys"
    region.add_root_key("luz", file)
    region.on(NODE, "chown", "-R", "radio:", "/home/radio/.ssh")
    assert region.can_log_in("luz", "radio")
    outcome = region.deploy("verify", "--json")
    assert outcome.code == 1
    assert failed_checks(outcome) == ["test_keys_of_former_operators_open_no_account"]
    assert region.deploy("region", "--json").code == 0
    assert not region.can_log_in("luz", "radio")


def test_other_keys_are_removed_only_with_consent(region: Leaving) -> None:
    region.edit("os: debian-12", "os: debian-12, adopt: [login_keys]")
    outcome = region.deploy("region", "--json")
    assert outcome.code == 0, outcome.problems
    assert "(eva@laptop)" in notices(outcome)
    assert not region.can_log_in("eva", "root")
    copies = region.on(NODE, "sh", "-c", f"cat /var/lib/chautari/adopted/*{ROOT_KEYS}")
    assert region.line("eva") in copies
    again = region.deploy("region", "--full", "--json")
    assert again.code == 0 and again.node(NODE)["changed"] == 0, again.problems
    assert "eva@laptop" not in region.deploy("status", "--json").stdout


def test_account_that_is_refused_is_replaced_and_remembered(region: Leaving) -> None:
    region.on(NODE, "usermod", "--expiredate", "1", "sandbox")
    before = region.logins()
    for _ in range(2):
        assert "expires changed" in region.deploy("drift").stdout
    assert region.logins()[len(before) :] == ["root", "root"]
    # The next run repairs the account, and its last login shows that.
    outcome = region.deploy("region", "--full", "--no-checks", "--json")
    assert outcome.code == 0, outcome.problems
    assert region.logins()[-1] == "sandbox"

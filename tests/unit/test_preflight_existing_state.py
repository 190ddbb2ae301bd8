"""What was on a machine before: how it is reported, refused and adopted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from chautari.node.receipts import delete_records_of_role, record_begun_roles
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
    script = existing_state.script_to_copy_adopted(hostile)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    *_, calls = script.rstrip().splitlines()
    assert calls.startswith("adopt_paths '/etc/nginx/conf.d/$(touch x).conf' ")
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


def run_functions(root: Path, calls: str) -> list[str]:
    """Run calls of the script's functions on a machine whose files are below `root`."""
    moved = re.sub(r"(?<=[ =])/(etc|var)/", rf"{root}/\1/", existing_state._FUNCTIONS)
    done = subprocess.run(
        ["sh", "-s"], input=f"{moved}{calls}\n", text=True, capture_output=True, check=True,
        env=os.environ | {"PATH": f"{root}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    return [line.replace(str(root), "") for line in done.stdout.splitlines()]


def write(root: Path, path: str, text: str = "x\n") -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_removed_role_owns_what_it_left_and_nothing_newer(tmp_path: Path) -> None:
    state = tmp_path / "var/lib/chautari"
    left = write(tmp_path, "/etc/nginx/sites-enabled/old")
    report = f"report_existing nginx {tmp_path}/etc/nginx/sites-enabled/*"
    assert run_functions(tmp_path, report) == ["existing=nginx /etc/nginx/sites-enabled/old"]
    # A run that was interrupted leaves no receipt.
    record_begun_roles(state, ["nginx"])
    assert run_functions(tmp_path, f"{report}; report_ours nginx") == ["ours=nginx"]
    time.sleep(0.02)
    delete_records_of_role(state, "nginx")
    assert run_functions(tmp_path, f"{report}; report_ours nginx") == []
    time.sleep(0.02)
    # A copy that keeps its old time is new all the same.
    copied = write(tmp_path, "/etc/nginx/sites-enabled/radio")
    os.utime(copied, (left.stat().st_mtime - 9000,) * 2)
    assert run_functions(tmp_path, report) == ["existing=nginx /etc/nginx/sites-enabled/radio"]
    record_begun_roles(state, ["nginx"])
    assert run_functions(tmp_path, report) == []


def test_file_of_another_role_of_ours_is_not_of_others(tmp_path: Path) -> None:
    file = write(tmp_path, "/etc/apt/sources.list.d/jitsi.sources")
    receipt = write(tmp_path, "/var/lib/chautari/receipts/repository.json", "{}")
    report = f"report_existing jitsi {tmp_path}/etc/apt/sources.list.d/*jitsi*"
    assert run_functions(tmp_path, report) == [
        "existing=jitsi /etc/apt/sources.list.d/jitsi.sources"
    ]
    receipt.write_text(json.dumps({"items": [{"kind": "path", "name": str(file)}]}))
    assert run_functions(tmp_path, report) == []


def test_jobs_of_others_are_reported_without_those_of_packages(tmp_path: Path) -> None:
    write(tmp_path, "/var/spool/cron/crontabs/luz", "*/5 * * * * pump\n")
    write(tmp_path, "/var/spool/cron/crontabs/ana", "# nothing\n\n")
    write(tmp_path, "/etc/cron.d/library", "0 3 * * * root dump\n")
    write(tmp_path, "/etc/cron.d/survey", "0 4 * * * root survey\n")
    write(tmp_path, "/var/lib/dpkg/info/survey.postinst", f"cat >{tmp_path}/etc/cron.d/survey\n")
    write(tmp_path, "/etc/cron.daily/backup", "#!/bin/sh\nbackup\n")
    write(tmp_path, "/etc/systemd/system/radio.timer", "[Timer]\n")
    (tmp_path / "etc/systemd/system/apt-daily.timer").symlink_to("/dev/null")
    assert run_functions(tmp_path, "report_existing_jobs base") == [
        "existing=base cron: /etc/cron.d/library",
        "existing=base cron: /etc/cron.daily/backup",
        "existing=base cron: /var/spool/cron/crontabs/luz",
        "existing=base cron: /etc/systemd/system/radio.timer",
    ]


def test_copy_of_adopted_jobs_has_their_path() -> None:
    existing = (("base", "cron: /etc/cron.d/library"), ("firewall", "closed: x on tcp port 1"))
    script = existing_state.script_to_copy_adopted(existing)
    assert script.endswith("adopt_paths /etc/cron.d/library\n")
    assert existing_state.script_to_copy_adopted(existing[1:]) == ""


MAIL_SERVERS = (
    ("ii |exim4-daemon-light|exim4-localscanapi, mail-transport-agent", "local", []),
    ("ii |exim4-daemon-light|mail-transport-agent", "internet", ["exim4-daemon-light"]),
    ("ii |postfix|mail-transport-agent", "", []),
    ("rc |msmtp-mta|mail-transport-agent", "", []),
    ("ii |opensmtpd|mail-transport-agent", "", ["opensmtpd"]),
)


@pytest.mark.parametrize(("package", "exim", "found"), MAIL_SERVERS)
def test_mail_server_that_apt_would_remove_is_named(
    tmp_path: Path, package: str, exim: str, found: list[str]
) -> None:
    write(tmp_path, "/etc/exim4/update-exim4.conf.conf", f"dc_eximconfig_configtype='{exim}'\n")
    write(tmp_path, "/bin/dpkg-query", f"#!/bin/sh\necho '{package}'\n").chmod(0o755)
    assert run_functions(tmp_path, "report_existing_mail_servers mail") == [
        f"existing=mail package: {name}" for name in found
    ]


def test_number_of_items_that_a_machine_reports_is_limited() -> None:
    found = facts.parse_facts([f"existing=nginx /{number}" for number in range(10_000)], 0, 0)
    assert len(found.existing) == existing_state.MAX_ITEMS

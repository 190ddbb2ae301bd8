"""Settings of the backup on a node: what they must have, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from backup_samples import content, settings

from chautari.node.backup import borg, retention
from chautari.node.backup.error_texts import TEXTS, error_text
from chautari.node.backup.errors import BackupError
from chautari.node.backup.settings import Keep, parse_settings, read_settings


def test_settings_have_targets_states_and_databases(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert [target.name for target in found.targets if target.is_remote] == ["himalaya"]
    assert found.target("disk").mount == str(tmp_path / "disk")
    assert found.states[0].pause == ("/usr/local/libexec/pause", "begin")
    with pytest.raises(BackupError, match="target_unknown"):
        found.target("elsewhere")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "cloud"),
        ("repository", "ssh://x@host:22/./a b"),
        ("repository", "ssh://-oProxyCommand=reboot@host:22/./a"),
        ("repository", "/mnt/elsewhere"),
        ("name", "../x"),
        ("append_only", "yes"),
    ],
)
def test_settings_refuse_an_unknown_target(tmp_path: Path, key: str, value: Any) -> None:
    data = content(tmp_path)
    data["targets"][0][key] = value
    with pytest.raises(ValueError, match=r".+"):
        parse_settings(data)


def test_repository_on_a_disk_is_below_its_mount_point(tmp_path: Path) -> None:
    data = content(tmp_path)
    for wrong in ("/mnt", f"{tmp_path}/disk", f"{tmp_path}/disk/../etc", "/etc/andes"):
        data["targets"][1]["repository"] = wrong
        with pytest.raises(ValueError, match="below"):
            parse_settings(data)


def test_damaged_settings_are_reported_with_a_code(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="settings_missing"):
        read_settings(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps(content(tmp_path, format=2)))
    with pytest.raises(BackupError, match="settings_invalid"):
        read_settings(tmp_path)


def test_environment_of_borg_has_no_secret(tmp_path: Path) -> None:
    found = settings(tmp_path)
    env = borg.borg_environment(found, found.targets[0])
    assert env["BORG_PASSCOMMAND"] == f"/usr/bin/cat {tmp_path}/etc/passphrase"
    assert "BORG_PASSPHRASE" not in env and "SSH_AUTH_SOCK" not in env
    assert env["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] == "no"
    assert env["LC_ALL"] == "C.UTF-8"


def test_login_uses_its_own_key_and_host_keys_only(tmp_path: Path) -> None:
    text = " ".join(borg.ssh_command(settings(tmp_path)))
    assert text.startswith(f"/usr/bin/ssh -F none -T -i {tmp_path}/etc/login_key ")
    for option in ("IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes",
                   f"UserKnownHostsFile={tmp_path}/etc/known_hosts",
                   "GlobalKnownHostsFile=/dev/null", "BatchMode=yes"):  # fmt: skip
        assert f"-o {option}" in text


def test_archive_is_stored_with_the_decided_parameters() -> None:
    command = borg.create_command("bog1-2026-11-30T02:30:11Z", 512)
    assert command[:3] == ["/usr/bin/setpriv", "--pdeathsig", "KILL"]
    text = " ".join(command)
    assert "--chunker-params buzhash,16,20,18,4095 --checkpoint-interval 60" in text
    assert "--upload-ratelimit 512" in text
    assert "--upload-ratelimit" not in borg.create_command("x", 0)
    assert "--checkpoint-interval 5 " in " ".join(borg.create_command("x", 0, is_retry=True))


@pytest.mark.parametrize(
    ("name", "finished"),
    [
        ("bog1-2026-11-30T02:30:11Z", True),
        ("bog1-2026-11-30T02:30:11Z.checkpoint", False),
        ("bog1-2026-11-30", False),
        ("bog1-2026-11-30T02:30:11Z.checkpoint.1", False),
    ],
)
def test_archive_counts_only_under_its_final_name(name: str, finished: bool) -> None:
    assert borg.is_name_of_finished_archive(name) is finished


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([{"levelname": "ERROR", "msgid": "LockTimeout", "message": "x"}], "repository_locked"),
        ([{"levelname": "ERROR", "msgid": "PassphraseWrong", "message": "x"}], "passphrase_wrong"),
        ([{"levelname": "ERROR", "msgid": "ConnectionClosedWithHint",
           "message": "Connection closed by remote host. Is borg working on the server?"},
          {"levelname": "WARNING",
           "message": "Remote: Permission denied (publickey)."}], "login_refused"),
        ([{"levelname": "ERROR", "msgid": "ConnectionClosed",
           "message": "Connection closed by remote host"}], "connection_lost"),
        ([{"levelname": "ERROR", "msgid": "Repository.StorageQuotaExceeded",
           "message": "The storage quota (50.00 MB) has been exceeded"}], "quota_exceeded"),
        ([{"levelname": "ERROR", "message": "OSError: [Errno 28] No space left on device"}],
         "no_room"),
        ([{"levelname": "ERROR", "message": "something new"}], "borg_failed"),
    ],
)  # fmt: skip
def test_messages_of_borg_have_a_code(lines: list[dict[str, str]], code: str) -> None:
    messages = borg.BorgMessages()
    for line in lines:
        messages.add_line(json.dumps({"type": "log_message", **line}))
    assert messages.to_backup_error().code == code


def test_quota_is_read_from_the_answer_of_a_peer() -> None:
    messages = borg.BorgMessages()
    text = "Remote: Storage quota: 1.50 MB out of 50.00 GB used."
    messages.add_line(json.dumps({"type": "log_message", "levelname": "INFO", "message": text}))
    assert (messages.quota_used, messages.quota) == (1_500_000, 50_000_000_000)


def test_every_code_has_a_text_with_a_fix() -> None:
    for code, (what, fix) in TEXTS.items():
        assert what and (fix or code == "several"), code
        assert code == "several" or "Fix: " in error_text(code, {}), code
    assert error_text("new_code", {}) == "The backup failed (new_code)."
    assert set(borg.CODES.values()) <= set(TEXTS)


def test_error_text_escapes_what_a_target_sent() -> None:
    text = error_text("borg_failed", {"reason": "\x1b[31m{key}\u202e"})
    assert "\x1b" not in text and "\u202e" not in text and "{key}" in text
    assert error_text("quota_too_small", {"free": 1500, "needed": 2 * 10**9}).startswith(
        "The quota of this node at the target has 1.5 kB left, and the backup needs 2.0 GB."
    )


def archive(name: str, start: str) -> dict[str, str]:
    return {"name": f"bog1-{name}", "start": start}


def test_archives_are_not_removed_because_of_a_forged_date() -> None:
    now = retention.start_time_in_archive_name({"name": "bog1-2026-11-30T02:30:11Z"})
    good = archive("2026-11-29T02:30:11Z", "2026-11-29T02:30:12.000000")
    retention.refuse_future_dates([good], now)
    future = archive("2027-11-29T02:30:11Z", "2027-11-29T02:30:12.000000")
    with pytest.raises(BackupError, match="archive_from_future"):
        retention.refuse_future_dates([good, future], now)
    forged = archive("2026-11-29T02:30:11Z", "2026-10-01T02:30:12.000000")
    with pytest.raises(BackupError, match="archive_date_differs"):
        retention.refuse_future_dates([good, forged], now)


def test_nothing_is_removed_without_a_period() -> None:
    assert retention.prune_options(Keep(0, 0, 0)) == []
    assert retention.prune_options(Keep(7, 0, 6)) == ["--keep-daily=7", "--keep-monthly=6"]

"""What fail2ban reads, as its own program would match it, and whom it never blocks."""

from __future__ import annotations

import configparser
import importlib.machinery
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from region_samples import ROOT

FILES = ROOT / "roles/fail2ban/files"
ADDRESS = r"(?P<address>[0-9a-fA-F:.]{2,45})"


def matcher(name: str) -> re.Pattern[str]:
    """Return the expression of a filter as fail2ban builds it, without the time."""
    parser = configparser.ConfigParser()
    parser.read_string((FILES / f"{name}.conf").read_text().split("\n", 2)[2])
    return re.compile(parser["Definition"]["failregex"].replace("<ADDR>", ADDRESS))


def line(**changed: object) -> str:
    """Return a line of Nextcloud's log, as fail2ban sees it after it took the time out."""
    entry = {
        "reqId": "x7", "level": 2, "remoteAddr": "203.0.113.7", "user": "--", "app": "core",
        "method": "POST", "url": "/login", "scriptName": "/index.php",
        "message": "Login failed: ana (Remote IP: 203.0.113.7)", "userAgent": "curl",
        "version": "34.0.4.1", "data": {"app": "core"},
    }  # fmt: skip
    return json.dumps(entry | changed, separators=(",", ":"))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"url": '/login?x="}{'},
        {"user": False, "url": "/remote.php/dav/\\"},
        {"remoteAddr": "2001:db8::7"},
    ],
)
def test_failed_login_in_nextcloud_names_its_address(changed: dict[str, object]) -> None:
    found = matcher("nextcloud").search(line(**changed))
    assert found and found["address"] == changed.get("remoteAddr", "203.0.113.7")


@pytest.mark.parametrize(
    "changed",
    [
        {"message": "Trusted domain error"},
        {"message": "x", "userAgent": '","message":"Login failed: '},
        {"message": "x", "url": '/","remoteAddr":"198.51.100.9","message":"Login failed: '},
    ],
)
def test_other_lines_of_nextcloud_name_nobody(changed: dict[str, object]) -> None:
    assert matcher("nextcloud").search(line(**changed)) is None


def test_text_of_a_stranger_blocks_nobody_else() -> None:
    forged = '/","remoteAddr":"198.51.100.9","x":"'
    found = matcher("nextcloud").search(line(url=forged))
    assert found and found["address"] == "203.0.113.7"


def test_failed_login_in_prosody_names_its_address() -> None:
    text = " meet.andes.example.org:chautari_log_failures\tinfo\tLogin failed from {}"
    found = matcher("prosody").search(text.format("203.0.113.7"))
    assert found and found["address"] == "203.0.113.7"
    assert matcher("prosody").search(text.format("an unknown address")) is None
    assert matcher("prosody").search("x:muc\tinfo\t" + text.format("203.0.113.7")) is None


def known_command() -> ModuleType:
    """Load the command that recognises people who log in with a key."""
    path = str(FILES / "fail2ban-known")
    loader = importlib.machinery.SourceFileLoader("fail2ban_known", path)
    spec = importlib.util.spec_from_loader("fail2ban_known", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_only_logins_with_a_key_that_root_logged_count() -> None:
    argv = known_command().journal_command("203.0.113.7")
    assert argv.count("_UID=0") == argv.count("+") + 1 == 2
    [pattern] = [item.removeprefix("--grep=") for item in argv if item.startswith("--grep=")]
    login = "Accepted publickey for ana from 203.0.113.7 port 4711 ssh2: ED25519 SHA256:x"
    assert re.search(pattern, login)
    for other in (
        login.replace("publickey", "password"),
        login.replace("203.0.113.7", "203.0.113.77"),
        login.replace("203.0.113.7", "203x0x113x7"),
        f"Invalid user {login}",
    ):
        assert not re.search(pattern, other)


@pytest.mark.parametrize(
    ("output", "code"), [("Accepted publickey for ana from x", 0), ("", 1), ("-- No entries --", 1)]
)
def test_known_address_is_not_blocked(
    output: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = known_command()
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=output))
    assert module.main(["203.0.113.7"]) == code


@pytest.mark.parametrize("arguments", [[], ["x; reboot"], ["--since=0"], ["1.2.3.4", "5.6.7.8"]])
def test_what_is_no_address_is_refused(arguments: list[str]) -> None:
    assert known_command().main(arguments) == 2


def test_log_of_prosody_has_no_name_of_an_account() -> None:
    text = Path(ROOT / "roles/jitsi/files/mod_chautari_log_failures.lua").read_text()
    assert "username" not in text and "session.ip" in text

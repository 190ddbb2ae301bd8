"""Framadate as its node sees it: code, settings, database, log and purge."""

import re
import secrets
from base64 import b64encode
from datetime import datetime
from typing import Any

import pytest

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("framadate")

SANDBOXED_UNITS = ["framadate-purge.service"]

CURRENT = "/opt/framadate/current"
LOG = "/var/log/framadate"
FPM = "php*-fpm"
PURGE = "framadate-purge"
# Asks nginx on loopback under the public name, as an operator does through a tunnel.
ADMINISTRATION = """
import http.client, socket, ssl, sys
context = ssl._create_unverified_context()
plain = socket.create_connection(("127.0.0.1", 443), timeout=20)
there = http.client.HTTPSConnection(sys.argv[1], context=context)
there.sock = context.wrap_socket(plain, server_hostname=sys.argv[1])
there.request("GET", "/admin/", headers={"Authorization": sys.argv[2]} if sys.argv[2] else {})
print(there.getresponse().status)
"""
FATAL = re.compile(r"\[(\d+-\w{3}-\d{4} [\d:]{8})[^\]]*\] PHP (?:Fatal|Parse) error: .*")


def ask(host: Any, statement: str) -> str:
    """What the database answers to Framadate's own account."""
    answer = host.run(
        "cd / && runuser -u framadate -- mariadb --no-defaults -BN -S /run/mysqld/mysqld.sock"
        " -D framadate -e %s",
        statement,
    )
    assert answer.rc == 0, answer.stderr
    return str(answer.stdout).strip()


@pytest.mark.advice("Deploy again to download the release and update the database.", units=[])
def test_release_is_the_one_that_was_asked_for(host: Any, settings: dict[str, Any]) -> None:
    """Framadate has the requested version, and its database exists"""
    name = f"{settings['framadate_version']}-{settings['framadate_sha256'][:8]}"
    assert host.file(CURRENT).linked_to == f"/opt/framadate/releases/{name}"
    constants = host.file(f"{CURRENT}/app/inc/constants.php").content_string
    assert f"const VERSION = '{settings['framadate_version']}';" in constants
    assert host.file("/var/lib/framadate/migrated").content_string == f"{name}\n"
    assert int(ask(host, "SELECT COUNT(*) FROM fd_framadate_migration")) > 0


@pytest.mark.advice(
    "A person or a program changed the owner or the mode of code files. Deploy again.", units=[]
)
def test_code_is_not_writable_by_framadate(host: Any) -> None:
    """Framadate and the web server cannot change Framadate's code"""
    found = host.run(
        "find %s/ ( -type f -o -type d ) ( ! -user root -o -perm /022 ) -print -quit".replace(
            "(", r"\("
        ).replace(")", r"\)"),
        CURRENT,
    ).stdout
    assert not found.strip(), f"not protected: {found}"


@pytest.mark.advice(
    "A person or a program changed the owner or the mode of these files. Deploy again.", units=[]
)
def test_settings_log_and_sessions_are_closed_to_others(host: Any) -> None:
    """Other accounts cannot read the settings, sessions and log, which are outside the web root"""
    for path, owner, mode in (
        ("/etc/framadate/config.php", "root", 0o640),
        ("/etc/framadate/htpasswd", "root", 0o640),
        ("/var/lib/framadate/sessions", "framadate", 0o700),
        (LOG, "framadate", 0o750),
    ):
        file = host.file(path)
        assert file.user == owner, f"{path} belongs to {file.user}"
        assert file.mode & ~mode == 0, f"{path} has the mode {file.mode:o}"
    assert host.file(f"{CURRENT}/app/inc/config.php").linked_to == "/etc/framadate/config.php"
    assert host.file(f"{CURRENT}/tpl_c").linked_to.startswith("/var/cache/framadate/")
    assert not host.run("find %s/ -name '*.log' -print -quit", CURRENT).stdout.strip()


@pytest.mark.advice("Read 'journalctl -u php*-fpm' on the node, then deploy again.", units=[FPM])
def test_pool_of_php_is_its_own(host: Any) -> None:
    """Framadate's PHP pool has its own account, and only the web server can reach the pool"""
    socket = host.file("/run/php/framadate.sock")
    assert socket.is_socket, "the socket is missing"
    assert (socket.user, socket.group, socket.mode) == ("www-data", "www-data", 0o660)
    pools = host.run("grep -h ^user /etc/php/*/fpm/pool.d/*.conf").stdout.split("\n")
    assert pools.count("user = framadate") == 1, pools
    assert host.user("framadate").shell == "/usr/sbin/nologin"


@pytest.mark.advice(
    "Deploy again to write the login for the administration pages.", units=["nginx"]
)
def test_administration_asks_for_its_login_on_the_node_too(
    host: Any, settings: dict[str, Any]
) -> None:
    """On the node, the administration pages require their login"""
    name = settings["framadate_domain"]
    wrong = b64encode(f"admin:{secrets.token_hex(8)}".encode()).decode()
    for login in ("", f"Basic {wrong}"):
        told = host.run("python3 -c %s %s %s", ADMINISTRATION, name, login)
        assert told.stdout.strip() == "401", f"{told.stdout}{told.stderr}"


@pytest.mark.advice(f"Read 'journalctl -u {PURGE}' on the node.", units=[PURGE])
def test_expired_polls_are_purged(host: Any, settings: dict[str, Any]) -> None:
    """An expired poll is deleted with its votes, and other polls are kept"""
    old, new = (f"chautaricheck{secrets.token_hex(4)}" for _ in range(2))
    for poll, days in ((old, settings["framadate_keep_days"] + 2), (new, 0)):
        ask(
            host,
            "INSERT INTO fd_poll (id, admin_id, title, description, admin_name, admin_mail,"
            f" end_date, format) VALUES ('{poll}', '{poll}abc', 'Check', '', 'Chautari',"
            f" 'nobody@example.org', NOW() - INTERVAL {days} DAY, 'A');"
            "INSERT INTO fd_vote (uniqId, poll_id, name, choices) VALUES"
            f" ('{secrets.token_hex(8)}', '{poll}', 'Ana', '2')",
        )
    try:
        done = host.run(f"systemctl start {PURGE}.service")
        assert done.rc == 0, f"{done.stderr} {host.run(f'journalctl -n 5 -u {PURGE}').stdout}"
        found = ask(host, f"SELECT id FROM fd_poll WHERE id IN ('{old}', '{new}')")
        assert found == new, f"polls after the purge: {found}"
        assert ask(host, f"SELECT COUNT(*) FROM fd_vote WHERE poll_id = '{old}'") == "0"
    finally:
        for table, column in (("fd_vote", "poll_id"), ("fd_poll", "id")):
            ask(host, f"DELETE FROM {table} WHERE {column} IN ('{old}', '{new}')")


@pytest.mark.advice("Deploy again to start the timer.", units=[PURGE])
def test_timer_of_the_purge_is_armed(host: Any) -> None:
    """Expired polls are purged every night"""
    timer = host.service(f"{PURGE}.timer")
    assert timer.is_enabled, "the timer is not enabled"
    assert timer.is_running, "the timer is not running"
    due = host.run(f"systemctl show {PURGE}.timer -P NextElapseUSecRealtime").stdout
    assert due.strip(), "no next run is scheduled"


@pytest.mark.advice(
    "Deploy again, then check that logrotate.timer is running.", units=["logrotate"]
)
def test_log_is_rotated(host: Any) -> None:
    """Framadate's log is rotated"""
    assert host.service("logrotate.timer").is_enabled, "logrotate.timer is not enabled"
    trial = host.run("logrotate --debug /etc/logrotate.d/framadate")
    assert trial.rc == 0 and "error:" not in trial.stderr, trial.stderr


@pytest.mark.advice(f"Read {LOG}/php.log on the node.", units=[FPM])
def test_log_is_free_of_fatal_errors(host: Any, since: str) -> None:
    """PHP has reported no fatal error in Framadate since the deploy"""
    file = host.file(f"{LOG}/php.log")
    lines = file.content_string.splitlines() if file.exists else []
    zone = host.run("date +%%z -d %s", since).stdout.strip()
    errors = [
        line[0]
        for line in map(FATAL.match, lines)
        if line
        and datetime.strptime(f"{line[1]} {zone}", "%d-%b-%Y %H:%M:%S %z").timestamp()
        >= int(float(since[1:]))
    ]
    assert not errors, errors[-1]


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Any) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))

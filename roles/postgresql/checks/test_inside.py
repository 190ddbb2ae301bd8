"""PostgreSQL answers on loopback only, and every database has its own plain owner."""

import re
from typing import Any

import pytest

pytestmark = pytest.mark.role("postgresql")

UNIT = "postgresql@*-main"
# What restarts and logins with a wrong password leave behind; logins have a check of their own.
HARMLESS = (
    "the database system is starting up",
    "the database system is shutting down",
    "terminating connection due to administrator command",
    "password authentication failed",
)
LOOK = "Run journalctl -u 'postgresql@*' on the node, then deploy again."


def ask(host: Any, database: str, statement: str) -> str:
    """One value out of a database, asked as its administrator."""
    answer = host.run("chautari-psql -XtAq -d %s -c %s", database, statement)
    assert answer.rc == 0, answer.stderr
    return str(answer.stdout).strip()


def release(host: Any) -> str:
    """The release of the cluster that has our settings; others may have clusters too."""
    found = host.run("ls /etc/postgresql/*/main/conf.d/chautari.conf").stdout.split()
    assert found, "no database cluster has the settings of this role"
    return str(found[-1].split("/")[3])


def cluster(host: Any) -> str:
    """The unit of our cluster, such as postgresql@15-main."""
    return f"postgresql@{release(host)}-main"


@pytest.mark.advice("Deploy again, because the package postgresql is missing.", units=[UNIT])
def test_package_is_installed(host: Any) -> None:
    """PostgreSQL is installed"""
    assert host.package(f"postgresql-{release(host)}").is_installed


@pytest.mark.advice(LOOK, units=[UNIT])
def test_unit_is_enabled_and_running(host: Any) -> None:
    """PostgreSQL is running, and starts when the machine starts"""
    assert host.service("postgresql").is_enabled, "postgresql is not enabled"
    assert host.service(cluster(host)).is_running, f"{cluster(host)} is not running"


@pytest.mark.advice(
    "PostgreSQL listens on the network. Check listen_addresses under /etc/postgresql, then deploy "
    "again.",
    units=[UNIT],
)
def test_listens_on_loopback_only(host: Any) -> None:
    """PostgreSQL accepts connections only from this machine"""
    port = ask(host, "postgres", "SHOW port")
    listeners = [
        line.split()[3].rsplit(":", 1) for line in host.run("ss -Hltn").stdout.splitlines()
    ]
    addresses = {address for address, number in listeners if number == port}
    assert addresses, f"nothing listens on port {port}"
    assert addresses <= {"127.0.0.1", "[::1]"}, addresses


@pytest.mark.advice("Deploy again to create the databases.", units=[UNIT])
def test_every_database_has_its_owner(host: Any, settings: dict[str, Any]) -> None:
    """Every database exists, uses UTF-8 and belongs to its own account"""
    for database in settings["postgresql_databases"]:
        row = ask(
            host,
            "postgres",
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database"
            f" WHERE datname = '{database['name']}'",
        )
        assert row == f"{database['owner']}|UTF8", f"{database['name']}: {row or 'missing'}"


@pytest.mark.advice(
    "Remove the rights: ALTER ROLE name NOSUPERUSER NOCREATEROLE NOCREATEDB.", units=[UNIT]
)
def test_owners_are_plain_accounts(host: Any, settings: dict[str, Any]) -> None:
    """Database owners have no administrative rights"""
    for database in settings["postgresql_databases"]:
        rights = ask(
            host,
            "postgres",
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles"
            f" WHERE rolname = '{database['owner']}'",
        )
        assert rights == "f", f"{database['owner']} has rights that it does not need"


@pytest.mark.advice("Deploy again to set the passwords from the region's secrets.", units=[UNIT])
def test_owners_log_in(host: Any, settings: dict[str, Any]) -> None:
    """Database owners can log in over loopback, with a password that only root can read"""
    port = ask(host, "postgres", "SHOW port")
    for database in settings["postgresql_databases"]:
        path = f"/etc/chautari/postgresql/{database['owner']}.pgpass"
        file = host.file(path)
        assert (file.user, file.mode) == ("root", 0o600), f"{path}: {file.user} {file.mode:o}"
        answer = host.run(
            "PGPASSFILE=%s psql -XtAw -h 127.0.0.1 -p %s -U %s -d %s -c 'SELECT 1'",
            path,
            port,
            database["owner"],
            database["name"],
        )
        assert answer.stdout.strip() == "1", answer.stderr


@pytest.mark.advice("Remove lines with trust from pg_hba.conf, then deploy again.", units=[UNIT])
def test_no_login_without_a_password(host: Any) -> None:
    """Every login needs a password"""
    methods = ask(
        host, "postgres", "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"
    )
    assert set(methods.split()) <= {"peer", "scram-sha-256"}, methods


@pytest.mark.advice(LOOK, units=[UNIT])
def test_journal_is_free_of_errors(host: Any, since: str) -> None:
    """PostgreSQL's journal contains no error since the deploy"""
    errors = host.run("journalctl -q -p err -u %s --since %s", cluster(host), since).stdout
    assert not errors.strip(), errors


@pytest.mark.advice("Read /var/log/postgresql on the node, then deploy again.", units=[UNIT])
def test_log_is_free_of_errors(host: Any, since: str) -> None:
    """PostgreSQL's log contains no fatal error since the deploy"""
    start = ask(  # in the time zone of the log, so that lines compare as text
        host,
        "postgres",
        f"SELECT (to_timestamp({float(since[1:])}) AT TIME ZONE current_setting('log_timezone'))"
        "::timestamp(3)",
    )
    log = f"/var/log/postgresql/postgresql-{release(host)}-main.log"
    lines = host.check_output("cat %s", log).splitlines()
    errors = [
        line
        for line in lines
        if line >= start
        and re.match(r"\d{4}-\d\d-\d\d [^\[]*\[\d+\] .*?\b(FATAL|PANIC): ", line)
        and not any(words in line for words in HARMLESS)
    ]
    assert not errors, errors[-1]

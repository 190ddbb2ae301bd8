"""MariaDB answers by its socket only, and every database has its own plain owner."""

from typing import Any

import pytest

pytestmark = pytest.mark.role("mariadb")

UNIT = "mariadb"
LOOK = "Read 'journalctl -u mariadb' on the node, then deploy again."


def ask(host: Any, statement: str, account: str = "root", database: str = "mysql") -> str:
    """What MariaDB answers to an account of this machine."""
    answer = host.run(
        "cd / && runuser -u %s -- mariadb --no-defaults -BN -S /run/mysqld/mysqld.sock -D %s -e %s",
        account,
        database,
        statement,
    )
    assert answer.rc == 0, answer.stderr
    return str(answer.stdout).strip()


@pytest.mark.advice("Deploy again, because the package mariadb-server is missing.", units=[UNIT])
def test_package_is_installed(host: Any) -> None:
    """MariaDB is installed"""
    assert host.package("mariadb-server").is_installed


@pytest.mark.advice(LOOK, units=[UNIT])
def test_unit_is_enabled_and_running(host: Any) -> None:
    """MariaDB is running, and starts when the machine starts"""
    unit = host.service(UNIT)
    assert unit.is_enabled, "mariadb is not enabled"
    assert unit.is_running, "mariadb is not running"


@pytest.mark.advice(
    "A TCP port of MariaDB is open. Check skip-networking under /etc/mysql, then deploy again.",
    units=[UNIT],
)
def test_no_tcp_port_is_open(host: Any) -> None:
    """MariaDB does not listen on a TCP port"""
    assert ask(host, "SELECT @@skip_networking") == "1"
    assert "mariadbd" not in host.run("ss -Hltnp").stdout


@pytest.mark.advice(
    "Deploy again to create the databases and remove other rights of their owners. If this check"
    " fails again, check the rights of PUBLIC: mariadb -e 'SHOW GRANTS FOR PUBLIC'.",
    units=[UNIT],
)
def test_every_database_is_reached_by_its_owner_alone(host: Any, settings: dict[str, Any]) -> None:
    """Every database exists and uses UTF-8, and its owner can reach only this database"""
    for database in settings["mariadb_databases"]:
        name, owner = database["name"], database["owner"]
        assert ask(host, "SELECT @@character_set_database", owner, name) == "utf8mb4"
        seen = set(ask(host, "SHOW DATABASES", owner, name).split())
        assert seen == {"information_schema", name}, f"{owner} sees {sorted(seen)}"


@pytest.mark.advice("Deploy again to remove these rights.", units=[UNIT])
def test_owners_are_plain_accounts(host: Any, settings: dict[str, Any]) -> None:
    """Database owners have no administrative rights, and can log in only from this machine"""
    for database in settings["mariadb_databases"]:
        found = ask(
            host,
            "SELECT host, JSON_VALUE(priv, '$.access'), JSON_VALUE(priv, '$.plugin')"
            f" FROM global_priv WHERE user = '{database['owner']}'",
        )
        assert found.split() == ["localhost", "0", "unix_socket"], found


@pytest.mark.advice("Delete the account, or change it to IDENTIFIED VIA unix_socket.", units=[UNIT])
def test_no_login_without_being_somebody(host: Any) -> None:
    """Every login needs an account name, and no account can log in as another account"""
    other = host.run(
        "cd / && runuser -u nobody -- mariadb --no-defaults -BN -S /run/mysqld/mysqld.sock"
        " --user=root -e 'SELECT 1'"
    )
    assert other.rc != 0, "the account `nobody` can log in as root"
    assert ask(host, "SELECT COUNT(*) FROM global_priv WHERE user = ''") == "0"


@pytest.mark.advice(LOOK, units=[UNIT])
def test_journal_is_free_of_errors(host: Any, since: str) -> None:
    """MariaDB's journal contains no error since the deploy"""
    journal = host.run("journalctl -q -o cat -u mariadb --since %s", since).stdout
    errors = [line for line in journal.splitlines() if "[ERROR]" in line]
    assert not errors, errors[-1]

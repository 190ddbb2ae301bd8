"""PHP-FPM runs with our limits, and offers sockets only."""

import re
from datetime import datetime
from typing import Any

import pytest

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("php")

UNIT = "php*-fpm"
ERROR = re.compile(r"\[(\d+-\w{3}-\d{4} [\d:]{8})[^\]]*\] (?:ERROR|ALERT): .*")
LOOK = "Run journalctl -u 'php*-fpm' on the node, then deploy again."


def version(host: Any) -> str:
    """The version whose settings we manage, such as 8.2."""
    paths = host.run("ls -d /etc/php/*/fpm/conf.d/90-chautari.ini").stdout.split()
    assert len(paths) == 1, f"expected the role's settings for exactly one PHP version: {paths}"
    return str(paths[0]).split("/")[3]


@pytest.mark.advice("Deploy again, because a PHP package is missing.", units=[UNIT])
def test_packages_are_installed(host: Any, settings: dict[str, Any]) -> None:
    """PHP is installed, with its opcode and user caches"""
    base = [f"php{version(host)}-{part}" for part in ("fpm", "cli", "opcache", "apcu")]
    missing = [
        name
        for name in [*base, *settings.get("php_packages", [])]
        if not host.package(name).is_installed
    ]
    assert not missing, f"missing packages: {', '.join(missing)}"


@pytest.mark.advice(LOOK, units=[UNIT])
def test_unit_is_enabled_and_running(host: Any) -> None:
    """PHP-FPM is running, and starts when the machine starts"""
    unit = host.service(f"php{version(host)}-fpm")
    assert unit.is_enabled, "PHP-FPM is not enabled"
    assert unit.is_running, "PHP-FPM is not running"


@pytest.mark.advice("Deploy again. If PHP-FPM still has old values, restart it.", units=[UNIT])
def test_limits_are_in_force(host: Any, settings: dict[str, Any]) -> None:
    """PHP on the command line and PHP-FPM use the role's limits"""
    limit = settings.get("php_memory_limit", "512M")
    for program in (f"php{version(host)}", f"php-fpm{version(host)}"):
        values = host.run("%s -i", program).stdout
        assert f"memory_limit => {limit} => {limit}" in values, (
            f"{program}: memory_limit has another value"
        )
        assert "expose_php => Off => Off" in values, f"{program}: expose_php is on"
    assert "apc.enable_cli => On => On" in host.run("php%s -i", version(host)).stdout


@pytest.mark.advice(
    "A pool listens on the network. Check /etc/php/*/fpm/pool.d, then deploy again.", units=[UNIT]
)
def test_no_tcp_port_is_open(host: Any) -> None:
    """PHP-FPM does not listen on a TCP port"""
    told = host.run("php-fpm%s -tt", version(host)).stderr
    listeners = [line.split(" = ", 1)[1] for line in told.splitlines() if "\tlisten = " in line]
    assert listeners, told
    assert all(listener.startswith("/run/php/") for listener in listeners), listeners


@pytest.mark.advice(
    "Delete the file www.conf from PHP-FPM's folder pool.d, then restart PHP-FPM.", units=[UNIT]
)
def test_pool_of_the_package_is_gone(host: Any) -> None:
    """The package's default pool is removed"""
    assert not host.file(f"/etc/php/{version(host)}/fpm/pool.d/www.conf").exists


@pytest.mark.advice(LOOK, units=[UNIT])
def test_journal_is_free_of_errors(host: Any, since: str) -> None:
    """PHP-FPM's journal contains no error since the deploy"""
    errors = host.run(
        "journalctl -q -p err -u %s --since %s", f"php{version(host)}-fpm", since
    ).stdout
    assert not errors.strip(), errors


@pytest.mark.advice("Read /var/log/php*-fpm.log on the node, then deploy again.", units=[UNIT])
def test_log_is_free_of_errors(host: Any, since: str) -> None:
    """PHP-FPM's log contains no error since the deploy"""
    start = int(float(since[1:]))
    log = host.check_output("cat %s", f"/var/log/php{version(host)}-fpm.log")
    errors = [
        line[0]
        for line in map(ERROR.match, log.splitlines())
        if line and datetime.strptime(line[1], "%d-%b-%Y %H:%M:%S").timestamp() >= start
    ]
    assert not errors, errors[-1]


@pytest.mark.advice("Deploy again, or restart it: 'systemctl restart php*-fpm'.", units=[UNIT])
def test_service_is_sandboxed(host: Any) -> None:
    """systemd limits what PHP-FPM can do"""
    unit = f"php{version(host)}-fpm.service"
    sandboxing.assert_exposure(host, [unit], sandboxing.PACKAGE_UNIT_LIMIT)
    sandboxing.assert_running_in_sandbox(host, unit)

"""Nextcloud as its node sees it: code, settings, services and its own health report."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from chautari.checks import sandboxing
from chautari.checks.expected_log_lines import is_expected_log_line

pytestmark = pytest.mark.role("nextcloud")

SANDBOXED_UNITS = [
    "nextcloud-cron.service",
    "nextcloud-upgrade.service",
    "nextcloud-upgrade-recover.service",
    "nextcloud-federation.service",
]

CURRENT = "/opt/nextcloud/current"
LANGUAGES = "/usr/local/libexec/chautari/nextcloud-languages"
STATE = "/var/lib/nextcloud"
FPM = "php*-fpm"
CRON = "nextcloud-cron"
FEDERATION = "nextcloud-federation"
PEER_STATE = "/var/lib/chautari-nextcloud/federation.json"
LOG = "/var/log/nextcloud/nextcloud.log"

# Lines that a healthy instance writes, each with its source.
KNOWN_LINES = Path(__file__).with_name("known_log_lines.yml")

# Warnings about what the role itself sets up: these fail like errors do.
OURS = (
    "CronInfo",
    "DatabaseHasMissingColumns",
    "DatabaseHasMissingIndices",
    "DatabaseHasMissingPrimaryKeys",
    "DataDirectoryProtected",
    "DebugMode",
    "FileLocking",
    "HttpsUrlGeneration",
    "MaintenanceWindowStart",
    "MemcacheConfigured",
    "OverwriteCliUrl",
    "PhpApcuConfig",
    "PhpMemoryLimit",
    "PhpModules",
    "PhpOpcacheSetup",
    "SupportedDatabase",
)


def occ(host: Any, arguments: str) -> Any:
    """The JSON that one of Nextcloud's own commands prints."""
    answer = host.run(f"occ {arguments} --output=json")
    lines = answer.stdout.strip().splitlines()
    assert lines, f"occ {arguments} printed nothing: {answer.stderr}"
    return json.loads(lines[-1])


def properties(host: Any, unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit, as systemd tells them."""
    text = host.run("systemctl show %s --property=%s", unit, ",".join(names)).stdout
    return dict(line.split("=", 1) for line in text.strip().splitlines())


@pytest.mark.advice("Read the journal and run 'occ status' on the node.", units=[FPM])
def test_is_installed_and_up_to_date(host: Any, settings: dict[str, Any]) -> None:
    """Nextcloud has the requested version, and is not in maintenance mode"""
    status = occ(host, "status")
    assert status["installed"] is True
    assert status["versionstring"] == settings["nextcloud_version"]
    assert status["maintenance"] is False, "maintenance mode is on"
    assert status["needsDbUpgrade"] is False, "the database still needs 'occ upgrade'"


@pytest.mark.advice(
    "A person or a program changed the owner or the mode of code files. Deploy again.", units=[]
)
def test_code_is_not_writable_by_the_web_server(host: Any) -> None:
    """The web server cannot change Nextcloud's code"""
    found = host.run(
        "find %s/ %s/custom_apps ( -type f -o -type d )"
        " ( ! -user root -o -perm /022 ) -print -quit".replace("(", r"\(").replace(")", r"\)"),
        CURRENT,
        STATE,
    ).stdout
    assert not found.strip(), f"not protected: {found}"


@pytest.mark.advice(
    "A person or a program changed the owner or the mode of these files. Deploy again.", units=[]
)
def test_settings_and_data_are_closed_to_others(host: Any) -> None:
    """Other accounts cannot read the settings or people's files"""
    for path, mode in (
        (f"{STATE}/config/config.php", 0o640),
        (f"{STATE}/config", 0o750),
        (f"{STATE}/data", 0o750),
    ):
        file = host.file(path)
        assert file.user == "www-data", f"{path} belongs to {file.user}"
        assert file.mode & ~mode == 0, f"{path} has the mode {file.mode:o}"
    for path in host.run(f"ls {STATE}/pins/*.password").stdout.split():
        file = host.file(path)
        assert (file.user, file.mode) == ("root", 0o600), f"{path}: {file.user} {file.mode:o}"


@pytest.mark.advice("Read 'journalctl -u nextcloud-cron' on the node.", units=[CRON])
def test_background_jobs_ran(host: Any) -> None:
    """Background jobs have run successfully"""
    for _ in range(60):  # the first run after an installation takes minutes on a slow link
        result = properties(host, f"{CRON}.service", "Result", "ActiveState")
        if result["ActiveState"] != "activating":
            break
        time.sleep(5)
    assert result["ActiveState"] != "failed", "the last run failed"
    assert result["Result"] == "success", f"the last run returned: {result['Result']}"
    settings = occ(host, "config:list core")["apps"]["core"]
    assert settings["backgroundjobs_mode"] == "cron"
    now = int(host.run("date +%s").stdout)
    age = now - int(settings.get("lastcron", 0))
    assert age < 1800, f"background jobs last ran {age} seconds ago"


@pytest.mark.advice("Deploy again to write the settings for temporary files.", units=[FPM])
def test_temporary_files_are_on_the_disk(host: Any) -> None:
    """Temporary files of uploads are on the data disk, not in memory"""
    settings = occ(host, "config:list system")["system"]
    assert settings["tempdirectory"] == f"{STATE}/tmp"
    pool = host.run("cat /etc/php/*/fpm/pool.d/nextcloud.conf").stdout
    for name in ("sys_temp_dir", "upload_tmp_dir"):
        assert f"php_admin_value[{name}] = {STATE}/tmp\n" in pool, f"PHP's {name} has another value"
    data = host.check_output("stat --file-system --format=%%i %s", f"{STATE}/data")
    for path in (f"{STATE}/tmp", f"{STATE}/uploads"):
        where = host.check_output("stat --file-system --format='%%i %%T' %s", path).split()
        assert where[1] not in ("tmpfs", "ramfs"), f"{path} is in memory"
        assert where[0] == data, f"{path} is not on the disk of the data"


@pytest.mark.advice("Deploy again to install the package that reads SVG.", units=[])
def test_php_reads_svg(host: Any) -> None:
    """Previews and themes can use SVG pictures"""
    formats = host.check_output("php -r %s", "echo implode(' ', Imagick::queryFormats('SVG'));")
    assert formats == "SVG", "imagick cannot read SVG"


@pytest.mark.advice("Deploy again to set the language.", units=[])
def test_default_language_is_translated(host: Any, settings: dict[str, Any]) -> None:
    """The default language is one of the region's languages, and the release supports it"""
    language = occ(host, "config:list system")["system"]["default_language"]
    offered = json.loads(host.check_output("php -f %s %s", LANGUAGES, CURRENT))
    wanted = next((code for code in settings["nextcloud_languages"] if code in offered), "en")
    assert language == wanted, f"the default language is {language}, not {wanted}"


@pytest.mark.advice("Run 'occ setupchecks' on the node.", units=[FPM, CRON])
def test_own_checks_find_no_error(host: Any) -> None:
    """Nextcloud's own checks find no error"""
    failed = []
    for category in occ(host, "setupchecks").values():
        for name, result in category.items():
            ours = result["severity"] == "warning" and name.rsplit("\\", 1)[-1] in OURS
            if ours or result["severity"] == "error":
                failed.append(f"{result['name']}: {result['description']}")
    assert not failed, "\n".join(failed)


@pytest.mark.advice("Read 'journalctl -u php*-fpm' on the node, then deploy again.", units=[FPM])
def test_pool_of_php_answers(host: Any) -> None:
    """Nextcloud has its own PHP pool, which only the web server can reach"""
    socket = host.file("/run/php/nextcloud.sock")
    assert socket.is_socket, "the socket is missing"
    assert (socket.user, socket.group, socket.mode) == ("www-data", "www-data", 0o660)


@pytest.mark.advice("Deploy again to start the timer.", units=[CRON])
def test_timer_of_background_jobs_is_armed(host: Any) -> None:
    """Background jobs run every five minutes"""
    timer = host.service(f"{CRON}.timer")
    assert timer.is_enabled, "the timer is not enabled"
    assert timer.is_running, "the timer is not running"
    due = properties(host, f"{CRON}.timer", "NextElapseUSecRealtime")
    assert due["NextElapseUSecRealtime"], "no next run is scheduled"


@pytest.mark.advice("Deploy again, and read the journal of Redis.", units=["redis-server", FPM])
def test_caches_are_in_use(host: Any) -> None:
    """Nextcloud uses APCu and Redis"""
    settings = occ(host, "config:list system")["system"]
    assert settings["memcache.local"] == "\\OC\\Memcache\\APCu"
    assert settings["memcache.distributed"] == "\\OC\\Memcache\\Redis"
    assert settings["memcache.locking"] == "\\OC\\Memcache\\Redis"
    probe = "$r = new Redis(); $r->connect('/run/redis/redis-server.sock'); echo (int) $r->ping();"
    answer = host.run("runuser -u www-data -- php -r %s", probe)
    assert answer.stdout.strip() == "1", f"{answer.stdout}{answer.stderr}"


@pytest.mark.advice("Deploy again to install and enable the pinned apps.", units=[])
def test_apps_are_on(host: Any, settings: dict[str, Any]) -> None:
    """The region's apps are enabled"""
    enabled = occ(host, "app:list")["enabled"]
    missing = [app["name"] for app in settings["nextcloud_apps"] if app["name"] not in enabled]
    assert not missing, f"not enabled: {', '.join(missing)}"


@pytest.mark.advice("Deploy again to configure the app bbb or to disable it.", units=[])
def test_rooms_lead_to_the_meeting_server(host: Any, settings: dict[str, Any]) -> None:
    """Rooms use the region's meeting server, and the server's secret is encrypted"""
    url = settings["nextcloud_bigbluebutton_url"]
    enabled = occ(host, "app:list")["enabled"]
    if not url:
        assert "bbb" not in enabled, "the app bbb is enabled, but the region has no meeting server"
        return
    assert "bbb" in enabled, "the app bbb is not enabled"
    found = occ(host, "config:list bbb")["apps"]["bbb"]
    assert found["api.url"] == url
    assert not found["app.shortener"], (
        f"invitations use the link shortener {found['app.shortener']}"
    )
    assert not found["api.meta_analytics-callback-url"], "a callback URL for meeting events is set"
    kept = occ(host, "config:app:get bbb api.secret --details")
    assert kept["sensitive"] is True, "the secret of the meeting server is not encrypted"


@pytest.mark.advice(
    "Read 'journalctl -u nextcloud-federation' on the node, then deploy again.", units=[FEDERATION]
)
def test_state_of_peers_is_known(host: Any, settings: dict[str, Any]) -> None:
    """The node checks the Nextcloud of each peer, even if a peer does not respond"""
    peers = {peer["name"] for peer in settings["nextcloud_peers"]}
    timer = host.service(f"{FEDERATION}.timer")
    if not peers:
        assert not timer.is_running, f"{FEDERATION}.timer is running, but the region has no peers"
        return
    assert timer.is_enabled and timer.is_running, "the timer is not running"
    state: dict[str, Any] = {}
    for _ in range(30):  # a deploy does not wait for the first run
        if host.file(PEER_STATE).exists:
            state = json.loads(host.check_output("cat %s", PEER_STATE))
            if state["peers"].keys() >= peers:
                break
        time.sleep(3)
    assert state.get("format") == 1, "the state of the peers is missing"
    assert state["peers"].keys() == peers, f"the state names {', '.join(state['peers'])}"
    age = int(host.check_output("date +%s")) - state["checked"]
    assert -60 <= age < 900, f"the state is from {age} seconds ago"


@pytest.mark.advice(
    "Deploy again, then check that logrotate.timer is running.", units=["logrotate"]
)
def test_log_is_rotated(host: Any) -> None:
    """Nextcloud's log is rotated"""
    assert host.service("logrotate.timer").is_enabled, "logrotate.timer is not enabled"
    trial = host.run("logrotate --debug /etc/logrotate.d/nextcloud")
    assert trial.rc == 0, trial.stderr
    assert "error:" not in trial.stderr, trial.stderr


@pytest.mark.advice("Read the lines above, and /var/log/nextcloud on the node.", units=[FPM, CRON])
def test_journal_is_free_of_errors(host: Any, since: str) -> None:
    """The journal of Nextcloud's services contains no error since the deploy"""
    for unit in (f"{CRON}.service", f"{CRON}.timer", FPM):
        errors = host.run("journalctl -q -p err -u %s --since %s", unit, since).stdout
        assert not errors.strip(), errors


@pytest.mark.advice(f"Read {LOG} on the node.", units=[FPM, CRON])
def test_log_is_free_of_errors(host: Any, since: str) -> None:
    """Nextcloud's log contains no error since the deploy

    The deploy restarts services that Nextcloud needs, so entries count from the last such start.
    Refused logins, which checks also cause, are warnings (2). Errors (3) and worse count.
    """
    needed = ("postgresql@*.service", "redis-server.service", f"{FPM}.service")
    command = "systemctl show --timestamp=unix -P ActiveEnterTimestamp"
    starts = host.check_output(command + " %s" * len(needed), *needed).split()
    start = max(float(moment[1:]) for moment in [since, *starts])
    lines = host.check_output("cat %s", LOG).splitlines() if host.file(LOG).exists else []
    known = yaml.safe_load(KNOWN_LINES.read_text())
    errors = [
        f"{entry['app']}: {entry['message']}"
        for entry in map(json.loads, lines)
        if entry["level"] >= 3
        and datetime.fromisoformat(entry["time"]).timestamp() >= start
        and not is_expected_log_line(entry, known)
    ]
    assert not errors, errors[-1]


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Any) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))

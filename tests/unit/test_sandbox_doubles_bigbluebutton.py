"""The double of BigBlueButton: its packages, settings, bbb-conf and recordings."""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from chautari_sandbox.debian_packages import DebianPackage
from chautari_sandbox.doubles.bigbluebutton.program import (
    facts,
    findings,
    hocon,
    part_servers,
    recording_jobs,
    recordings,
    redis_client,
    sessions,
    settings,
)
from chautari_sandbox.doubles.bigbluebutton.program.settings import WrongSettings
from chautari_sandbox.doubles.bigbluebutton_packages import META, SOURCES, build_package_doubles
from chautari_sandbox.doubles.catalog import REPOSITORIES

WEB = SOURCES / "bbb-web/root/usr/share/bbb-web/WEB-INF/classes"
FREESWITCH = SOURCES / "bbb-freeswitch-core/root/opt/freeswitch/etc/freeswitch"


@pytest.fixture(scope="module")
def built() -> dict[str, DebianPackage]:
    return {package.control["Package"]: package for package in build_package_doubles("3.0.35")}


def test_package_names_itself_a_double_and_has_the_release(
    built: dict[str, DebianPackage],
) -> None:
    assert REPOSITORIES["bigbluebutton"] is build_package_doubles
    for package in built.values():
        assert package.control["Description"].startswith("Double of upstream's ")
    assert built["bigbluebutton"].control["Version"] == "1:3.0.35-1"
    assert built["bbb-web"].control["Version"] == "1:3.0-35+double"
    assert built["bbb-web"].filename == "bbb-web_3.0-35+double_all.deb"
    depends = built["bigbluebutton"].control["Depends"]
    assert depends.split(", ") == [f"{name} (= 1:3.0-35+double)" for name in META]
    release = built["bbb-config"].files["etc/bigbluebutton/bigbluebutton-release"]
    assert release == b"BIGBLUEBUTTON_RELEASE=3.0.35\n"


def test_build_is_reproducible(built: dict[str, DebianPackage]) -> None:
    again = {package.control["Package"]: package for package in build_package_doubles("3.0.35")}
    assert {name: item.pack() for name, item in again.items()} == {
        name: item.pack() for name, item in built.items()
    }


@pytest.mark.parametrize("version", ["3.0", "3.0.x", "jammy-300", ""])
def test_build_refuses_an_invalid_version(version: str) -> None:
    with pytest.raises(ValueError, match="is not a BigBlueButton version"):
        build_package_doubles(version)


def test_no_file_is_in_two_packages(built: dict[str, DebianPackage]) -> None:
    owners: dict[str, str] = {}
    for name, package in built.items():
        for path in package.files:
            assert owners.setdefault(path, name) == name


def test_conffiles_are_exactly_the_files_below_etc(built: dict[str, DebianPackage]) -> None:
    for package in built.values():
        conffiles = package.scripts.get("conffiles", b"").decode().split()
        assert conffiles == [
            f"/{path}" for path in sorted(package.files) if path.startswith("etc/")
        ]


def test_scripts_are_valid_and_start_the_units(built: dict[str, DebianPackage]) -> None:
    for package in built.values():
        for name in ("postinst", "prerm", "postrm"):
            script = package.scripts.get(name)
            if script is not None:
                assert b"@" not in script.replace(b'"${@:2}"', b"")
                subprocess.run(["bash", "-n"], input=script, check=True)
    assert b'units="etherpad"' in built["bbb-etherpad"].scripts["postinst"]
    assert b"bbb-rap-resque-worker bbb-rap-starter" in built["bbb-record-core"].scripts["prerm"]


def test_program_is_in_one_package_and_executable(built: dict[str, DebianPackage]) -> None:
    core = built["bbb-double"]
    assert "usr/share/bbb-double/bbb_double/__main__.py" in core.files
    data = core.pack()
    start = data.index(b"data.tar.gz") + 60
    with tarfile.open(fileobj=io.BytesIO(data[start:])) as archive:
        assert archive.getmember("./usr/share/bbb-double/serve").mode == 0o755


def test_every_unit_starts_a_part_of_the_program() -> None:
    units = {file.stem for file in SOURCES.rglob("*.service")}
    others = {"bbb-web", "bbb-rap-starter", "bbb-rap-resque-worker"}
    assert units == set(part_servers.PARTS) | others
    assert set(facts.ALWAYS) | set(facts.OPTIONAL) == units | {"nginx", "redis-server"}


def test_properties_are_read_as_java_reads_them() -> None:
    found = settings.read_properties(
        "# no\n! no\n a = b \nc:d\ne f\ng=one\\\n   two\nh\\=i=\\u00e9\nserviceEnabled = true\nj="
    )
    assert found == {
        "a": "b ",
        "c": "d",
        "e": "f",
        "g": "onetwo",
        "h=i": "é",
        "serviceEnabled": "true",
        "j": "",
    }


def test_overrides_replace_defaults_of_bbb_web(tmp_path: Path) -> None:
    over = tmp_path / "bbb-web.properties"
    over.write_text("bigbluebutton.web.serverURL=https://rooms.example.org\nsecuritySalt=x\n")
    found = settings.bbb_web_settings(WEB / "bigbluebutton.properties", over)
    assert found["defaultHTML5ClientUrl"] == "https://rooms.example.org/html5client/"
    assert found["securitySalt"] == "x"
    assert found["defaultGuestPolicy"] == "ALWAYS_ACCEPT"
    over.write_text("defaultLogoURL=${nowhere}\n")
    with pytest.raises(WrongSettings, match="placeholder 'nowhere'"):
        settings.bbb_web_settings(WEB / "bigbluebutton.properties", over)


def test_lists_are_replaced_and_mappings_merged(tmp_path: Path) -> None:
    default = (
        SOURCES / "bbb-webrtc-sfu/root/usr/local/bigbluebutton/bbb-webrtc-sfu/config/default.yml"
    )
    over = tmp_path / "production.yml"
    over.write_text(
        "mediasoup: {webrtc: {listenIps: [{ip: 192.0.2.5, announcedIp: 198.51.100.9}]}}"
    )
    found = settings.read_with_overrides(default, over)
    expected = [{"ip": "192.0.2.5", "announcedIp": "198.51.100.9"}]
    assert settings.value_at_path(found, "mediasoup.webrtc.listenIps") == expected
    assert settings.value_at_path(found, "mediasoup.webrtc.listenIps.0.ip") == "192.0.2.5"
    assert settings.value_at_path(found, "mediasoup.worker.rtcMaxPort") == 32768
    assert settings.value_at_path(found, "mediasoup.nowhere.at") is None
    over.write_text("- a list\n")
    with pytest.raises(WrongSettings, match="expected a mapping"):
        settings.read_with_overrides(default, over)
    over.write_text("mediasoup: {")
    with pytest.raises(WrongSettings, match=r"production\.yml"):
        settings.read_with_overrides(default, over)


def test_hocon_includes_defaults_and_refuses_broken_files(tmp_path: Path) -> None:
    default = SOURCES / "bbb-apps-akka/root/usr/share/bbb-apps-akka/conf/application.conf"
    file = tmp_path / "bbb-apps-akka.conf"
    file.write_text(
        f'// ours\ninclude "{default}"\nservices {{\n  sharedSecret="s3"\n}}\nhttp.port: 9\n'
        "list = [ a, b ]\nx = ${?NOTHING}\n"
    )
    found = hocon.read_hocon_file(file)
    assert (found["services.sharedSecret"], found["http.port"]) == ("s3", "9")
    assert found["client.clientSettingsOverrideFilePath"] == "/etc/bigbluebutton/bbb-html5.yml"
    assert "x" not in found
    for text in ("services {", "}", "key", "a = [ b", "= x", 'a = "b', f'include "{tmp_path}/no"'):
        file.write_text(text)
        with pytest.raises(WrongSettings):
            hocon.read_hocon_file(file)


def test_settings_of_the_client_have_the_keys_that_are_overridden() -> None:
    file = SOURCES / "bbb-html5/root/usr/share/bigbluebutton/html5-client/private/config"
    found = yaml.safe_load((file / "settings.yml").read_text())
    for path in (
        "app.defaultSettings.application.overrideLocale", "app.audioCaptions.enabled",
        "kurento.cameraProfiles", "kurento.pagination.desktopPageSizes.viewer",
        "kurento.paginationThresholds.enabled", "media.forceRelay", "media.fallbackStunServer",
        "presentation.mirroredFromBBBCore.uploadSizeMax", "stats.enabled",
    ):  # fmt: skip
        assert settings.value_at_path(found, f"public.{path}") is not None or path.endswith(
            "Locale"
        )


def test_turn_servers_give_credentials_with_an_expiry(tmp_path: Path) -> None:
    default = WEB / "spring/turn-stun-servers.xml"
    assert sessions.read_stun_and_turn_servers(default, tmp_path / "none").turn == ()
    over = tmp_path / "turn-stun-servers.xml"
    text = default.read_text().replace("stun:stun.example.org", "stun:rooms.example.org")
    bean = "".join(
        f'<constructor-arg index="{number}" value="{item}"/>'
        for number, item in enumerate(
            ("s3cret", "turns:rooms.example.org:443?transport=tcp", "86400")
        )
    )
    text = text.replace(
        '<bean id="stunTurnService"', f'<bean id="turn0">{bean}</bean><bean id="stunTurnService"'
    )
    text = text.replace(
        '"turnServers">\n            <set/>', '"turnServers"><set><ref bean="turn0"/></set>'
    )
    over.write_text(text)
    servers = sessions.read_stun_and_turn_servers(default, over)
    assert servers.stun == ("stun:rooms.example.org",)
    entry = servers.turn[0].with_credentials("w_1", 1_000)
    assert entry["username"] == "87400:w_1"
    assert entry["password"] == "BH1CPr5rvfBSo9hIprmPG2Enk5s="
    over.write_text(text.replace('id="turn0"', 'id="other"'))
    with pytest.raises(WrongSettings, match="turn0"):
        sessions.read_stun_and_turn_servers(default, over)


def test_freeswitch_listens_where_its_files_say(tmp_path: Path) -> None:
    found = part_servers.freeswitch_addresses(FREESWITCH)
    assert found == [("127.0.0.1", 8021), ("192.0.2.1", 5066), ("192.0.2.1", 7443)]
    assert (
        part_servers.freeswitch_variables((FREESWITCH / "vars.xml").read_text())["domain_name"]
        == "192.0.2.1"
    )
    with pytest.raises(WrongSettings):
        part_servers.freeswitch_addresses(tmp_path)


def test_status_has_the_columns_of_upstream() -> None:
    lines = facts.unit_status_lines({"bbb-web": "active", "bbb-rap-resque-worker": "inactive"})
    assert lines == [
        "bbb-web ——————————————————————► [✔ - active]",
        "bbb-rap-resque-worker ————————► [✘ - inactive]",
    ]


def sample(**changes: object) -> facts.ServerFacts:
    """A server with nothing wrong that needs no command to see."""
    web = settings.resolve_placeholders(
        settings.read_properties((WEB / "bigbluebutton.properties").read_text())
    )
    values: dict[str, Any] = {
        "release": "3.0.35", "web": web, "sfu": {"freeswitch": {"sip_ip": "192.0.2.1"}},
        "client": {"public": {"media": {"sipjsHackViaWs": False}}}, "recorder": {}, "record": {},
        "stun": (), "variables": {"local_ip_v4": "192.0.2.1", "external_rtp_ip": "192.0.2.1"},
        "external": {}, "rtp": "16384-24576",
        "states": dict.fromkeys(("nginx", "redis-server", "freeswitch"), "active"),
        "address": "192.0.2.1", "memory": 16_000, "cores": 8,
        "names": ["rooms.example.org"], "sip": ["https://192.0.2.1:7443"],
    }  # fmt: skip
    return facts.ServerFacts(**(values | changes))


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is run."""
    monkeypatch.setattr(facts, "command_output", lambda *words: "SUCCESS LANG=C.UTF-8")
    monkeypatch.setattr(facts, "command_succeeds", lambda *words: True)
    monkeypatch.setattr(facts, "is_command_installed", lambda command: True)
    monkeypatch.setattr(facts, "owner_and_group", lambda folder: "bigbluebutton:bigbluebutton")


@pytest.mark.usefixtures("quiet")
def test_check_reports_stopped_units_and_mismatches() -> None:
    down = {"nginx": "active", "redis-server": "inactive", "freeswitch": "active"}
    text = "\n".join(findings.process_problems(sample(states=down)))
    assert "# Not running:  redis-server" in text
    assert "# Error: Detected some processes have not started correctly" in text
    assert "\n".join(findings.process_problems(sample())) == ""
    small = "\n".join(findings.machine_problems(sample(memory=900, cores=1, address="192.0.2.9")))
    assert "less than 4G of memory" in small
    assert "found only 1 cores" in small
    assert "does not match the local IP address (192.0.2.9)" in small
    assert list(findings.machine_problems(sample())) == []
    assert "MUST change your shared" in "\n".join(findings.default_secret_problems(sample()))


@pytest.mark.usefixtures("quiet")
def test_check_requires_secure_websockets_with_https() -> None:
    web = dict(sample().web) | {"bigbluebutton.web.serverURL": "https://rooms.example.org"}
    plain = "\n".join(findings.sip_problems(sample(web=web, sip=["http://192.0.2.1:5066"])))
    assert "did not find the use of https" in plain
    assert "did not find the use of port 7443" in plain
    assert list(findings.sip_problems(sample(web=web))) == []


@pytest.mark.usefixtures("quiet")
def test_check_reports_a_name_that_resolves_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "command_output", lambda *words: "")
    monkeypatch.setattr(findings.time, "sleep", lambda seconds: None)
    assert "Could not connect to the configured hostname/IP address" in "\n".join(
        findings.network_problems(sample())
    )


def test_header_comes_before_every_problem(quiet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "UNITS", Path("/nowhere"))
    lines = list(findings.all_problems(sample()))
    assert lines[0].strip() == "# Potential problems described below"


def test_redis_double_answers_the_protocol() -> None:
    assert redis_client.encode_command("LLEN", "é") == b"*2\r\n$4\r\nLLEN\r\n$2\r\n\xc3\xa9\r\n"
    answers = b"+OK\r\n:3\r\n*2\r\n$1\r\nq\r\n$-1\r\n*-1\r\n-ERR no\r\n"
    stream = io.BytesIO(answers)
    assert [redis_client.read_reply(stream) for _ in range(4)] == ["OK", 3, ["q", None], None]
    with pytest.raises(redis_client.RedisError, match="no"):
        redis_client.read_reply(stream)
    with pytest.raises(ConnectionError):
        redis_client.read_reply(stream)


class Queues:
    """Redis, as far as the queues need it."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}

    def ask(self, *words: str, wait: float = 5) -> redis_client.Reply:
        command, key, *rest = words
        if command == "LPOP":
            waiting = self.lists.get(key, [])
            return waiting.pop(0) if waiting else None
        if command == "RPUSH":
            self.lists.setdefault(key, []).extend(rest)
        return 1


def write_recording(home: Path, marked: bool = True) -> str:
    """An ended meeting's raw files."""
    identifier = f"{'a' * 40}-1795527744494"
    raw = home / "recording/raw" / identifier
    raw.mkdir(parents=True)
    text = '<recording><meeting id="x" externalId="room" name="n"/><double start="1" end="60001"'
    event = "<event/>" if marked else ""
    (raw / "events.xml").write_text(f'{text} participants="2"/>{event}</recording>')
    recordings.mark_step_done(home, "recorded", f"{identifier}.done")
    return identifier


def test_worker_runs_configured_steps_and_leaves_other_queues(tmp_path: Path) -> None:
    identifier, queues = write_recording(tmp_path), Queues()
    steps = {"archive": "sanity", "sanity": ["process:video"], "process:video": "publish:video"}
    found = {"playback_protocol": "https", "playback_host": "rooms.example.org", "steps": steps}
    assert recording_jobs.enqueue_recorded_meetings(tmp_path, queues.ask) == [identifier]

    def run_jobs(names: list[str]) -> list[str]:
        done = []
        while job := recording_jobs.take_next_job(names, False, queues.ask):
            recording_jobs.process_step_and_enqueue_following(*job, found, tmp_path, queues.ask)
            done.append(job[0])
        return done

    assert run_jobs(["rap:archive", "rap:sanity"]) == ["archive", "sanity"]
    assert len(queues.lists["resque:queue:rap:process"]) == 1
    assert list(recordings.stored_formats_of_recordings(tmp_path)) == []
    assert run_jobs(["rap:process", "rap:publish"]) == ["process:video", "publish:video"]
    [item] = recordings.stored_formats_of_recordings(tmp_path)
    url = "https://rooms.example.org/playback/video/2.3"
    assert item.metadata_text("playback/link") == f"{url}/{identifier}"
    assert (tmp_path / f"recording/status/published/{identifier}-video.done").exists()
    assert recording_jobs.delete_recording_files(identifier, tmp_path)
    assert not (tmp_path / "recording/raw" / identifier).exists()
    assert not recording_jobs.delete_recording_files(identifier, tmp_path)


def test_recording_without_a_mark_is_not_processed(tmp_path: Path) -> None:
    identifier = write_recording(tmp_path, marked=False)
    assert (
        recording_jobs.process_step(
            "archive", identifier, {"steps": {"archive": "sanity"}}, tmp_path
        )
        == []
    )
    assert (tmp_path / f"recording/status/archived/{identifier}.norecord").exists()


def test_recording_that_fails_is_marked(tmp_path: Path) -> None:
    recording_jobs.process_step_and_enqueue_following(
        "archive", "gone", {"steps": {}}, tmp_path, Queues().ask
    )
    assert (tmp_path / "recording/status/failed/gone.fail").exists()

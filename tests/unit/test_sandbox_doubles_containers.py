"""The doubles of container images refuse what upstream refuses."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml
from chautari_sandbox.doubles.catalog import IMAGES
from chautari_sandbox.doubles.containers import greenlight, scalelite
from chautari_sandbox.doubles.containers.common import Answer, Request

FACTS = {
    name: read_toolkit_yaml(ROOT / f"tests/fixtures/upstream/{name}.yml")
    for name in ("greenlight", "scalelite", "bbb")
}
HOST = "pool.example.org"
SYNC = ROOT / "roles/scalelite/files/scalelite-servers"
SERVER = {"url": "https://cal1.example.org/bigbluebutton/api", "secret": "s"}


def request_of(path: str, **headers: str) -> Request:
    """Return a request with headers."""
    return cast("Request", types.SimpleNamespace(path=path, headers={"Host": HOST} | headers))


@pytest.mark.parametrize("name", IMAGES)
def test_image_starts_as_upstream_s(name: str) -> None:
    facts, double = FACTS[name]["image"], IMAGES[name]
    assert double.home == facts["directory"]
    assert double.config.get("Entrypoint", []) == facts["entrypoint"]
    assert double.config.get("Cmd", []) == facts["command"]
    assert set(double.scripts) <= set(facts["programs"])


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """A pool in memory: the servers by name."""
    stored: dict[str, dict[str, object]] = {}
    monkeypatch.setenv("URL_HOST", HOST)
    monkeypatch.setenv("LOADBALANCER_SECRET", "s3cret")
    monkeypatch.setattr(scalelite, "run_sql", lambda *_: [])
    monkeypatch.setattr(scalelite, "run_redis_command", lambda *_: None)
    monkeypatch.setattr(scalelite, "all_servers", lambda: stored)
    monkeypatch.setattr(
        scalelite,
        "change_server",
        lambda name, **fields: stored.setdefault(name, {}).update(fields),
    )
    return stored


def call(name: str, algorithm: str = "sha256", /, **query: str) -> Answer:
    text = urlencode(query)
    checksum = hashlib.new(algorithm, f"{name}{text}s3cret".encode()).hexdigest()
    return scalelite.answer_request(
        request_of(f"/bigbluebutton/api/{name}?{text}&checksum={checksum}")
    )


def test_pool_routes_only_calls_that_upstream_routes() -> None:
    facts = FACTS["scalelite"]
    assert set(scalelite.CALLS) <= set(facts["calls"])
    assert set(facts["server_fields"]) == scalelite.SERVER_FIELDS
    assert set(facts["ignored_fields"]) == scalelite.IGNORED_FIELDS
    assert list(scalelite.MODES) == facts["modes"]
    text = (Path(scalelite.__file__)).read_text()
    keys = set(re.findall(r'failed\("(\w+)"|<messageKey>(\w+)<', text))
    assert {key for pair in keys for key in pair if key} <= set(facts["message_keys"])


@pytest.mark.parametrize("name", ["enter", "stuns", "getServers", "hooks/create"])
def test_pool_refuses_a_call_that_upstream_does_not_route(name: str, pool: object) -> None:
    assert "<messageKey>unsupportedRequest<" in call(name, meetingID="room")[2]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "sha384", "md5"])
def test_pool_accepts_checksums_of_upstream_s_lengths(algorithm: str, pool: object) -> None:
    answer = call("isMeetingRunning", algorithm, meetingID="room")[2]
    assert ("checksumError" in answer) == (algorithm in ("sha384", "md5"))


def test_pool_answers_only_under_its_name(pool: object) -> None:
    assert scalelite.answer_request(request_of("/health_check"))[2] == "success"
    assert scalelite.answer_request(request_of("/"))[2] == "success"
    assert scalelite.answer_request(request_of("/health_check", Host="127.0.0.1"))[0] == 403


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("cal1", {"weight": 2}, "bad parameters"),
        ("cal1", {"secret": ""}, "has no secret"),
        ("cal 1", {}, "invalid characters"),
        ("cal1", {"url": "cal1"}, "invalid url"),
    ],
)
def test_sync_refuses_a_list_that_upstream_refuses(
    name: str, change: dict[str, object], reason: str, pool: dict[str, object]
) -> None:
    text = json.dumps({"servers": {name: SERVER | change}})
    with pytest.raises(SystemExit, match=reason):
        scalelite.sync_servers(text, "cordon")
    with pytest.raises(SystemExit, match="Unknown sync mode"):
        scalelite.sync_servers(text, "remove")
    assert pool == {}


def test_sync_resets_fields_that_the_list_does_not_name(pool: dict[str, Any]) -> None:
    full = SERVER | {"load_multiplier": 2.0, "tag": "lent"}
    scalelite.sync_servers(json.dumps({"servers": {"cal1": full}}), "cordon")
    assert (pool["cal1"]["load_multiplier"], pool["cal1"]["tag"]) == (2.0, "lent")
    assert pool["cal1"]["state"] == "enabled"
    scalelite.sync_servers(json.dumps({"servers": {"cal1": full | {"enabled": False}}}), "cordon")
    assert pool["cal1"]["state"] == "cordoned"
    scalelite.sync_servers(json.dumps({"servers": {"cal1": SERVER}}), "cordon")
    assert (pool["cal1"]["load_multiplier"], pool["cal1"]["tag"]) == (1.0, "")


@pytest.fixture
def synced(tmp_path: Path) -> Callable[..., tuple[str, dict[str, Any]]]:
    """Run the role's program with a `podman` that keeps what it is given."""
    program = tmp_path / "podman"
    program.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/words\ncat > {tmp_path}/list\n')
    program.chmod(0o755)

    def run(
        known: dict[str, Any] | None, *servers: str, borrowed: Sequence[dict[str, str]] = ()
    ) -> tuple[str, dict[str, Any]]:
        given = {
            "borrowed": borrowed,
            "borrowed_secrets": {item["name"]: "theirs" for item in borrowed},
            "servers": [{"name": name, "url": SERVER["url"]} for name in servers],
            "secret": "s",
            "known": known,
        }
        output = subprocess.run(
            [sys.executable, SYNC],
            input=json.dumps(given),
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            text=True,
            capture_output=True,
            check=True,
        ).stdout
        sent = tmp_path / "list"
        return output.strip(), json.loads(sent.read_text())["servers"] if sent.exists() else {}

    return run


def test_role_keeps_what_an_operator_set_for_a_server(
    synced: Callable[..., tuple[str, dict[str, Any]]],
) -> None:
    kept = SERVER | {"enabled": False, "load_multiplier": 2.0, "tag": "lent"}
    assert synced({"cal1": kept}, "cal1") == ("", {})
    changed, sent = synced({"cal1": kept}, "cal1", "cal2")
    assert (changed, sent["cal1"]) == ("changed", kept)
    assert sent["cal2"] == SERVER | {"enabled": True}
    for fields in sent.values():
        assert set(fields) <= set(FACTS["scalelite"]["server_fields"])
    assert synced(None, "cal1")[1] == {"cal1": SERVER | {"enabled": True}}


def test_role_adds_servers_of_peers_cordoned_and_with_their_tag(
    synced: Callable[..., tuple[str, dict[str, Any]]],
) -> None:
    url = "https://rooms.h.example.org/bigbluebutton/api"
    borrowed = [{"name": "h.ktm2", "url": url, "tag": "peer-h"}]
    added = {"url": url, "secret": "theirs", "enabled": False, "tag": "peer-h"}
    known = {"cal1": SERVER | {"enabled": True, "load_multiplier": 1.0, "tag": ""}}
    assert synced(known, "cal1", borrowed=borrowed) == ("changed", known | {"h.ktm2": added})
    # The timer enabled it, and an operator set its weight: both stay.
    both = known | {"h.ktm2": added | {"enabled": True, "load_multiplier": 2.0}}
    changed, sent = synced(
        both | {"h.ktm2": both["h.ktm2"] | {"tag": ""}}, "cal1", borrowed=borrowed
    )
    assert (changed, sent) == ("changed", both)
    assert synced(both, "cal1")[1] == known


def test_role_changes_nothing_while_a_server_of_a_peer_is_as_it_left_it(
    synced: Callable[..., tuple[str, dict[str, Any]]],
) -> None:
    url = "https://rooms.h.example.org/bigbluebutton/api"
    known = {"url": url, "secret": "theirs", "enabled": True, "load_multiplier": 1.0}
    borrowed = [{"name": "h.ktm2", "url": url, "tag": "peer-h"}]
    assert synced({"h.ktm2": known | {"tag": "peer-h"}}, borrowed=borrowed) == ("", {})


def loaded(load: float, tag: str = "", state: str = "enabled", **more: str) -> dict[str, str]:
    """Return a server as Redis has it."""
    found = {"url": SERVER["url"], "secret": "s", "online": "true", "load": str(load)}
    return found | {"tag": tag, "state": state} | more


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", "b3"),
        ("!", "b3"),
        ("test", "b1"),
        ("test!", "b1"),
        ("test;test2", "b4"),
        ("test;test2!", "b4"),
        ("none", "b3"),
        ("none!", "b3"),
        ("test3", "b3"),
        ("none;test2", "b3"),
        ("none;test", "b3"),
    ],
)
def test_pool_selects_servers_by_tag_as_the_examples_of_upstream(
    tags: str, expected: str, pool: dict[str, Any]
) -> None:
    """The servers are those of upstream's docs/tags-README.md."""
    pool |= {"b1": loaded(3, "test"), "b2": loaded(2), "b3": loaded(0), "b4": loaded(2, "test2")}
    assert scalelite.server_with_least_load(tags) == expected


def test_pool_uses_only_servers_that_are_enabled_and_measured(pool: dict[str, Any]) -> None:
    pool |= {"own": loaded(40), "lent": loaded(0, "peer-h")}
    assert scalelite.server_with_least_load("none;peer-h") == "lent"
    assert scalelite.server_with_least_load("none!") == "own"
    pool["lent"]["state"] = "cordoned"
    assert scalelite.server_with_least_load("none;peer-h") == "own"
    pool["own"]["online"] = "false"
    with pytest.raises(scalelite.NoServer, match="any available servers"):
        scalelite.server_with_least_load("none;peer-h")
    pool["lent"]["state"] = "enabled"
    with pytest.raises(scalelite.NoServer, match="required tag=none") as caught:
        scalelite.server_with_least_load("none!")
    assert caught.value.key == "serverTagUnavailable"
    del pool["lent"]["load"]
    with pytest.raises(scalelite.NoServer):
        scalelite.server_with_least_load("none;peer-h")


def test_pool_reads_default_parameters_as_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_CREATE_PARAMS", "meta_server-tag=none;peer-h,welcome=a=b")
    found = {"meta_server-tag": "none;peer-h", "welcome": "a=b"}
    assert scalelite.default_create_parameters() == found


@pytest.mark.parametrize(("age", "people", "load"), [(60, 3, 15), (60, 40, 40), (1000, 3, 3)])
def test_poller_measures_load_as_upstream(age: int, people: int, load: int) -> None:
    meeting = (
        f"<meeting><createTime>{(10_000 - age) * 1000}</createTime><isBreakout>%s</isBreakout>"
        f"<participantCount>{people - 1}</participantCount><moderatorCount>1</moderatorCount>"
        "</meeting>"
    )
    text = f"<response><meetings>{meeting % 'false'}{meeting % 'true'}</meetings></response>"
    assert scalelite.count_people_for_load(ET.fromstring(text), 10_000) == load


def test_poller_disables_a_cordoned_server_without_meetings(
    pool: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        scalelite, "run_redis_command", lambda _, key, field: pool[key[7:]].pop(field, 0)
    )
    pool |= {"a": loaded(4, state="cordoned")}
    scalelite.record_poll_result("a", True, 3.0)
    assert (pool["a"]["state"], pool["a"]["load"]) == ("cordoned", 3.0)
    scalelite.record_poll_result("a", True, 0.0)
    assert pool["a"]["state"] == "disabled" and "load" not in pool["a"]
    scalelite.record_poll_result("a", False, 0.0)
    assert pool["a"]["online"] == "false"


def manage(call: str, body: object = None, kind: str = "application/json", key: str = "") -> Answer:
    """Return the answer of the management API."""
    checksum = hashlib.sha256(f"{call}{key or 's3cret'}".encode()).hexdigest()
    data = json.dumps(body).encode() if body is not None else b""
    headers = {"Host": HOST, "Content-Type": kind, "Content-Length": str(len(data))}
    request = types.SimpleNamespace(
        path=f"/scalelite/api/{call}?checksum={checksum}",
        headers=headers,
        command="GET" if body is None else "POST",
        rfile=io.BytesIO(data),
    )
    return scalelite.answer_request(cast("Request", request))


def test_management_api_shows_and_changes_servers_as_upstream(pool: dict[str, Any]) -> None:
    assert manage("getServers")[0] == 404
    pool |= {"a": loaded(4.5), "h.b": {"url": "https://h/", "secret": "s", "tag": "peer-h"}}
    found = {item["id"]: item for item in json.loads(manage("getServers")[2])}
    assert (found["a"]["state"], found["a"]["load"], found["a"]["online"]) == (
        "enabled", 4.5, "online",
    )  # fmt: skip
    assert (found["h.b"]["state"], found["h.b"]["load"], found["h.b"]["online"]) == (
        "disabled", "unavailable", "offline",
    )  # fmt: skip
    assert set(found["a"]) == {
        "id", "url", "secret", "tag", "bbb_version", "state", "load", "load_multiplier", "online",
    }  # fmt: skip
    change = {"id": "h.b", "server": {"state": "enable"}}
    assert json.loads(manage("updateServer", change)[2])["state"] == "enabled"
    assert pool["h.b"]["state"] == "enabled"
    assert manage("updateServer", {"id": "x", "server": {}})[0] == 404
    assert manage("updateServer", {"id": "a", "server": {"state": "enabled"}})[0] == 400
    assert "unsupportedContentType" in manage("updateServer", change, "text/plain")[2]
    assert "checksumError" in manage("getServers", key="other")[2]


def test_greenlight_answers_under_its_name_and_with_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL_HOST", HOST)
    monkeypatch.setattr(greenlight, "health_answer", lambda: (200, "text/plain", "success", {}))
    assert greenlight.answer_request(request_of("/", Host="other.example.org"))[0] == 403
    assert greenlight.answer_request(request_of("/"))[0] == 301
    assert greenlight.answer_request(request_of("/", **{"X-Forwarded-Proto": "https"}))[0] == 200
    assert greenlight.answer_request(request_of("/health_check", Host="127.0.0.1"))[2] == "success"
    secure = {"X-Forwarded-Proto": "https"}
    assert "success" not in greenlight.answer_request(request_of("/x/health_check", **secure))[2]


def test_configuration_check_of_greenlight_fails_as_upstream_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    required = FACTS["greenlight"]["required_environment"]
    assert list(greenlight.REQUIRED) == required
    for name in required:
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(
        greenlight, "health_answer", lambda: (500, "text/plain", "Redis is away", {})
    )
    with pytest.raises(SystemExit, match="Redis is away"):
        greenlight.main(["rake", "configuration:check"])
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(SystemExit, match="REDIS_URL not set"):
        greenlight.main(["rake", "configuration:check"])


def test_tables_of_greenlight_have_upstream_s_columns() -> None:
    columns = FACTS["greenlight"]["columns"]
    created = re.findall(r"(?s)CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\);", greenlight.TABLES)
    assert {name for name, _ in created} == set(columns)
    for name, text in created:
        fields = re.sub(r", UNIQUE \(.*?\)", "", text).split(",")
        assert {field.split()[0] for field in fields} <= set(columns[name]), name


def test_role_sets_only_columns_of_greenlight() -> None:
    text = (ROOT / "roles/greenlight/templates/people.rb.j2").read_text()
    columns = FACTS["greenlight"]["columns"]["users"]
    created = re.search(r"(?s)User\.create!\((.*?)\)\n", text)
    assert created
    # `password` becomes password_digest, and `role` role_id.
    assert set(re.findall(r"(\w+): ", created[1])) <= {*columns, "password", "role"}


def test_settings_of_the_app_bbb_exist_upstream() -> None:
    known = set(FACTS["bbb"]["settings"])
    role = read_toolkit_yaml(ROOT / "roles/nextcloud/vars/main.yml")["__nextcloud_rooms"]
    assert set(role) <= known
    double = ROOT / "tool/chautari_sandbox/doubles/bbb/lib"
    text = "".join(file.read_text() for file in double.glob("*.php"))
    found = set(re.findall(r"get\('bbb', '([\w.-]+)'", text))
    assert {"api.url", "api.secret"} <= found <= known


def test_routes_of_the_app_bbb_exist_upstream() -> None:
    text = (ROOT / "tool/chautari_sandbox/doubles/bbb/lib/Front.php").read_text()
    routes = [re.sub(r"\{\w+\}", "", route) for route in FACTS["bbb"]["routes"]]
    resources = FACTS["bbb"]["resources"]
    for method, path in re.findall(r"'(GET|POST|PUT|DELETE) (\w+/?)'", text):
        assert f"/{path.rstrip('/')}" in resources or any(
            route.startswith(f"{method} /{path}") for route in routes
        ), f"{method} {path}"
    hooks = re.search(r"HOOKS = \[(.*)\]", text)
    assert hooks
    for kind, method in re.findall(r"'(\w+)' => '(\w+)'", hooks[1]):
        assert f"{method} /hook/{kind}//" in routes

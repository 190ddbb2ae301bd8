"""The records that a region needs, and what name servers answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from dns_samples import ZONE, name_server, resolver_of
from pool_samples import POOL
from region_samples import REGION, load_sample_region

from chautari.dns_zone import name_servers, records, states
from chautari.dns_zone.name_servers import NameServer, Question
from chautari.region.model import Region

RIGHT = (
    ZONE
    + """\
cloud.andes.example.org A 203.0.113.11
cloud.andes.example.org AAAA 2001:db8::11
bog1.andes.example.org A 203.0.113.10
med1.andes.example.org A 203.0.113.11
med1.andes.example.org AAAA 2001:DB8:0::11
andes.example.org CAA 0 issue "letsencrypt.org"
"""
)
ISSUER = "letsencrypt.org"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_servers, "SECONDS", 1.0)


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return load_sample_region(tmp_path, REGION).region


def look(region: Region, zone: str) -> states.ZoneState:
    with name_server(zone) as server:
        return states.compare_zone_with_desired_records(region, client=resolver_of(server))


def states_by_record(found: states.ZoneState) -> dict[tuple[str, str], str]:
    return {(x.record.name.split(".")[0], x.record.kind): x.state for x in found.records}


def test_desired_records_cover_services_nodes_and_certificates(region: Region) -> None:
    found = records.desired_records(region)
    shown = {(r.name.split(".")[0], r.kind, r.value, r.required) for r in found if r.value}
    assert shown == {
        ("cloud", "A", "203.0.113.11", True), ("cloud", "AAAA", "2001:db8::11", True),
        ("med1", "A", "203.0.113.11", False), ("med1", "AAAA", "2001:db8::11", False),
        ("bog1", "A", "203.0.113.10", False),
        ("andes", "CAA", '0 issue "letsencrypt.org"', False),
    }  # fmt: skip


def test_front_page_is_at_the_domain_itself(tmp_path: Path) -> None:
    text = REGION.replace("services: [nextcloud]", "services: [portal]").replace(
        "  nextcloud: {{host: cloud, quota: 5 GB, apps: [calendar, deck]}}", "  portal: {{}}"
    )
    region = load_sample_region(tmp_path, text).region
    assert records.public_names(region) == ("andes.example.org",)


def test_each_server_of_a_pool_has_a_name(tmp_path: Path) -> None:
    names = records.public_names(load_sample_region(tmp_path, POOL).region)
    assert {"rooms-cal1.andes.example.org", "rooms-cal2.andes.example.org"} <= set(names)


def test_zone_file_text_is_a_zone(region: Region) -> None:
    import dns.zone

    text = records.zone_file_text(region, records.desired_records(region))
    zone = dns.zone.from_text(text, origin="andes.example.org", check_origin=False)
    assert len(zone.nodes) == 4
    assert 'andes.example.org. 3600 IN CAA 0 issue "letsencrypt.org"\n' in text


def test_unknown_authority_has_no_caa_record(tmp_path: Path) -> None:
    text = REGION + "acme: {{directory: https://ca.example.org/dir}}\n"
    region = load_sample_region(tmp_path, text).region
    assert [r for r in records.desired_records(region) if r.kind == "CAA"] == []
    assert look(region, RIGHT).ok


def test_right_records_are_right(region: Region) -> None:
    found = look(region, RIGHT)
    assert set(states_by_record(found).values()) == {"right"}
    assert (found.ok, found.zone.name, found.zone.problem) == (True, "example.org", "")


@pytest.mark.parametrize(
    ("old", "new", "record", "state", "ok"),
    [
        ("cloud.andes.example.org A 203.0.113.11", "", ("cloud", "A"), "missing", False),
        ("cloud.andes.example.org A 203.0.113.11", "cloud.andes.example.org A 192.0.2.1",
         ("cloud", "A"), "wrong", False),
        ("cloud.andes.example.org A 203.0.113.11",
         "cloud.andes.example.org A 203.0.113.11\ncloud.andes.example.org A 192.0.2.1",
         ("cloud", "A"), "wrong", False),
        ("bog1.andes.example.org A 203.0.113.10", "", ("bog1", "A"), "missing", True),
        ("bog1.andes.example.org A 203.0.113.10",
         "bog1.andes.example.org A 203.0.113.10\nbog1.andes.example.org AAAA 2001:db8::99",
         ("bog1", "AAAA"), "unwanted", False),
        ('andes.example.org CAA 0 issue "letsencrypt.org"', "", ("andes", "CAA"), "missing", True),
        ("cloud.andes.example.org A 203.0.113.11",
         "cloud.andes.example.org CNAME med1.andes.example.org.", ("cloud", "A"), "right", True),
    ],
)  # fmt: skip
def test_each_state_of_a_record(
    region: Region, old: str, new: str, record: tuple[str, str], state: str, ok: bool
) -> None:
    zone = RIGHT.replace(old + "\n", new + "\n" if new else "")
    if "CNAME" in new:
        zone = zone.replace("cloud.andes.example.org AAAA 2001:db8::11\n", "")
    found = look(region, zone)
    assert (states_by_record(found)[record], found.ok) == (state, ok)


def test_servers_that_disagree_are_named(region: Region) -> None:
    record = records.DesiredRecord("cloud.andes.example.org", "A", "203.0.113.11", "nextcloud")
    old, new = NameServer("ns1", "192.0.2.1"), NameServer("ns2", "192.0.2.2")
    found = states._address_state(record, {new: ("203.0.113.11",), old: ("192.0.2.9",)})
    assert (found.state, found.differing_server, found.found) == ("unequal", "ns1", ("192.0.2.9",))
    assert states._address_state(record, {old: None, new: None}).state == "unknown"
    assert states._address_state(record, {old: None, new: ("203.0.113.11",)}).state == "right"


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        (['0 issue "letsencrypt.org"'], True),
        (['0 issue "LetsEncrypt.org"'], True),
        (['0 issue "ca.example.org"'], False),
        (['0 issue "ca.example.org"', '0 issue "letsencrypt.org"'], True),
        (['0 issue ";"'], False),
        (['0 issue "letsencrypt.org; validationmethods=dns-01"'], False),
        (['0 issue "letsencrypt.org; validationmethods=dns-01,http-01"'], True),
        (['0 issue "letsencrypt.org;accounturi=https://x/1"'], True),
        (['0 issuewild ";"'], True),
        (['0 iodef "mailto:ops@example.org"'], True),
        (['128 tbs "x"'], False),
        (["garbage"], True),
    ],
)
def test_allows_issuer_reads_caa_as_authorities_do(values: list[str], allowed: bool) -> None:
    assert states.caa_records_allow_issuer(values, ISSUER) is allowed


def test_caa_of_a_parent_and_of_a_service_count(region: Region) -> None:
    own = 'andes.example.org CAA 0 issue "letsencrypt.org"\n'
    found = look(region, RIGHT.replace(own, own.replace("andes.", "").replace(ISSUER, "x.org")))
    assert (states_by_record(found)["example", "CAA"], found.ok) == ("wrong", False)
    found = look(region, RIGHT + 'cloud.andes.example.org CAA 0 issue "x.org"\n')
    assert states_by_record(found)["cloud", "CAA"] == "wrong"
    assert states_by_record(found)["andes", "CAA"] == "right"


def test_domain_without_a_zone_of_its_own_is_said(region: Region) -> None:
    with name_server("org SOA a.org. b.org. 1 2 3 4 5\n", "org") as server:
        found = states.compare_zone_with_desired_records(region, client=resolver_of(server))
    assert (found.zone.problem, found.ok) == ("domain_not_delegated", False)
    assert {item.state for item in found.records} == {"unknown"}


def test_silent_resolver_is_said(region: Region) -> None:
    with name_server(RIGHT) as server:
        server.silent = True
        client = resolver_of(server)
        client.timeout = client.lifetime = 0.2
        found = states.compare_zone_with_desired_records(region, client=client)
    assert found.zone.problem == "resolver_silent"


def test_resolver_answers_where_the_network_blocks_other_servers(region: Region) -> None:
    blocked = RIGHT.replace("ns1.example.org A 127.0.0.1", "ns1.example.org A 127.0.0.2")
    with name_server(blocked) as server:
        found = states.compare_zone_with_desired_records(region, client=resolver_of(server))
    assert (found.ok, found.is_from_cache) == (True, True)
    assert found.silent_servers == ("ns1.example.org",)
    without = blocked.replace("ns1.example.org A 127.0.0.2\n", "")
    with name_server(without) as server:
        found = states.compare_zone_with_desired_records(region, client=resolver_of(server))
    assert (found.ok, found.is_from_cache, found.zone.problem) == (True, True, "")


def test_resolver_of_a_sandbox_is_asked_directly(region: Region) -> None:
    with name_server(RIGHT.replace(ZONE, "")) as server:
        servers = (NameServer("sandbox", "127.0.0.1", server.port, recursive=True),)
        answers = name_servers.ask_name_servers(
            servers, [Question("cloud.andes.example.org", "A")], resolver_of(server)
        )
    assert [list(by.values()) for by in answers.values()] == [[("203.0.113.11",)]]


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00" * 12, b"\xff" * 600, b"\x00\x01" + b"\xc0\x0c" * 2000],
    ids=["empty", "zeros", "ones", "pointers"],
)
def test_hostile_answers_are_no_answer(region: Region, raw: bytes) -> None:
    with name_server(RIGHT) as server:
        server.raw = raw or b"x"
        address = NameServer("ns1", "127.0.0.1", server.port)
        question = Question("cloud.andes.example.org", "A")
        assert name_servers.ask_name_server(address, question, resolver_of(server)) is None


def test_answers_are_limited_and_escaped(region: Region) -> None:
    many = "".join(f"cloud.andes.example.org A 192.0.2.{n}\n" for n in range(200))
    long = f'andes.example.org CAA 0 issue "{"x" * 200}\\027[31m"\n'
    with name_server(ZONE + many + long) as server:
        address = NameServer("ns1", "127.0.0.1", server.port)
        ask = name_servers.ask_name_server
        found = ask(address, Question("cloud.andes.example.org", "A"), resolver_of(server))
        assert found is None or len(found) <= name_servers.MAX_VALUES
        caa = ask(address, Question("andes.example.org", "CAA"), resolver_of(server))
    assert caa and len(caa[0]) <= name_servers.MAX_VALUE_LENGTH and "\x1b" not in caa[0]


def test_alias_in_a_circle_ends(region: Region) -> None:
    zone = ZONE + (
        "a.andes.example.org CNAME b.andes.example.org.\n"
        "b.andes.example.org CNAME a.andes.example.org.\n"
    )
    with name_server(zone) as server:
        address = NameServer("ns1", "127.0.0.1", server.port)
        question = Question("a.andes.example.org", "A")
        assert name_servers.ask_name_server(address, question, resolver_of(server)) in ((), None)


def test_wait_reports_changes_and_ends() -> None:
    record = records.DesiredRecord("cloud.andes.example.org", "A", "203.0.113.11", "nextcloud")
    zone = name_servers.Zone("example.org", ())
    missing = states.ZoneState(zone, (states.RecordState(record, "missing"),))
    right = states.ZoneState(zone, (states.RecordState(record, "right"),))
    looks, reported = iter([missing, missing, right]), list[states.ZoneState]()
    assert (
        states.wait_until_records_are_right(lambda: next(looks), 60, reported.append, pause=0)
        is right
    )
    assert reported == [missing]
    assert (
        states.wait_until_records_are_right(lambda: missing, 0, reported.append, pause=1) is missing
    )

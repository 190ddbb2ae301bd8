"""The front page as readers and programs get it."""

import json
import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest

from chautari.checks import security_headers
from chautari.federation.fetch import parse_descriptor_url
from chautari.federation.letters import digest_of_letter, letter_path
from chautari.federation.refusal import PeerRefused
from chautari.federation.transfer import PATH, UnverifiedSignedDescriptor
from chautari.federation.trust import verify_signed_descriptor

pytestmark = pytest.mark.role("portal")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/state.json",
    "/.well-known/chautari/region.json",
    "/.well-known/nodeinfo",
    "/nodeinfo/2.1",
    "/no-such-file",
)

MAX_BYTES = 50_000
MAX_AGE_SECONDS = 15 * 60
UNITS = ["nginx", "chautari-portal-update"]
# Attributes with which a page loads something, by tag; a link that a reader may follow is not one.
LOADING = {"src", "srcset", "data", "poster", "action", "formaction", "background"}


class Loaded(HTMLParser):
    """Collects the language of a page, its scripts, and the addresses that it loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.language, self.direction = "", ""
        self.scripts = 0
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language, self.direction = found.get("lang", ""), found.get("dir", "")
        self.scripts += tag == "script" or any(name.startswith("on") for name in found)
        self.addresses += [value for name, value in found.items() if name in LOADING]
        if tag == "link" and found.get("rel") != "alternate":
            self.addresses.append(found.get("href", ""))


@pytest.fixture
def base(settings: dict[str, Any]) -> str:
    """The address of the page, without its slash."""
    return f"https://{settings['portal_domain']}"


def read(text: str) -> Loaded:
    """Return what a page says and loads."""
    parser = Loaded()
    parser.feed(text)
    return parser


@pytest.mark.advice("Deploy again to publish the letters and the descriptor.", units=UNITS)
def test_letters_are_those_of_the_descriptor(base: str, web: Any, settings: dict[str, Any]) -> None:
    """The published letters to other regions match their checksums in the descriptor"""
    named = web.get(f"{base}{PATH}").json().get("letters", {})
    expected = {item["domain"]: item["content"].encode() for item in settings["portal_letters"]}
    assert set(named) == set(expected)
    for domain, content in expected.items():
        answer = web.get(f"{base}{letter_path(domain)}")
        assert answer.status_code == 200, f"{domain}: {answer.status_code}"
        assert answer.content == content and named[domain] == digest_of_letter(content), domain


@pytest.mark.advice("Deploy again to write the page and nginx's settings.", units=UNITS)
def test_page_is_in_the_language_of_the_reader(
    base: str, web: Any, settings: dict[str, Any]
) -> None:
    """The page is in the reader's language if possible, otherwise in the region's language"""
    default = settings["portal_default_language"]
    wanted = {f"{name}-XX,xx;q=0.5": name for name in settings["portal_languages"]}
    wanted |= {"xx,pt-BR;q=0.8,en;q=0.7": "pt", "xx": default, "": default}
    for header, language in wanted.items():
        answer = web.get(f"{base}/", headers={"Accept-Language": header})
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
        page = read(answer.text)
        assert (page.language, page.direction) == (language, "ltr"), f"{header}: {page.language}"
        assert "Accept-Language" in answer.headers.get("Vary", "")


@pytest.mark.advice("Deploy again to write the pages.", units=UNITS)
def test_page_of_each_language_is_light_and_loads_nothing(
    base: str, web: Any, settings: dict[str, Any]
) -> None:
    """The page of each language is small, has no script and loads no other files"""
    for language in settings["portal_languages"]:
        answer = web.get(f"{base}/{language}", headers={"Accept-Encoding": "identity"})
        assert answer.status_code == 200, f"{language}: {answer.status_code}"
        page = read(answer.text)
        assert page.language == language
        assert len(answer.content) < MAX_BYTES, f"{language}: {len(answer.content)} bytes"
        assert page.scripts == 0, f"{language} has a script"
        assert [item for item in page.addresses if not item.startswith("data:")] == []
        assert not re.search(r"url\(|@import", answer.text), f"{language} loads with its style"
        for other in settings["portal_languages"]:
            assert other == language or f'<a href="/{other}"' in answer.text, other


@pytest.mark.advice("Deploy again to write the content of the page.", units=UNITS)
def test_page_names_every_service(base: str, web: Any, settings: dict[str, Any]) -> None:
    """The page shows each service with its address and a contact"""
    text = web.get(f"{base}/").text
    content = settings["portal_page"]
    missing = [item["name"] for item in content["services"] if f'"{item["url"]}"' not in text]
    assert [name for name in missing if name not in opened_elsewhere(content)] == []
    assert f'"mailto:{content["contact"]}"' in text


def opened_elsewhere(content: dict[str, Any]) -> set[str]:
    """Return the services that people open in the pages of others."""
    return {item["name"] for item in content["services"] if item["opened_in"]}


@pytest.mark.advice(
    "Run 'systemctl status chautari-portal-update.timer' on the node, and read the journal of "
    "chautari-portal-update.",
    units=UNITS,
)
def test_state_of_the_services_is_new(base: str, web: Any, settings: dict[str, Any]) -> None:
    """The state of the services on the page is less than 15 minutes old"""
    state = web.get(f"{base}/state.json").json()
    age = time.time() - state["checked"]
    assert -60 < age < MAX_AGE_SECONDS, f"the last check was {age:.0f} seconds ago"
    assert set(state["services"]) == {item["name"] for item in settings["portal_page"]["services"]}


@pytest.mark.advice("Run 'systemctl start chautari-portal-sign' on the node.", units=UNITS)
def test_descriptor_is_published(base: str, web: Any, settings: dict[str, Any]) -> None:
    """Other regions accept the published descriptor, and it is about this region"""
    address = parse_descriptor_url(f"{base}{PATH}")
    answers = [web.get(f"{address.url}{suffix}") for suffix in ("", ".sig")]
    assert [answer.status_code for answer in answers] == [200, 200]
    content, signature = (answer.content for answer in answers)
    try:
        verify_signed_descriptor(
            UnverifiedSignedDescriptor(content, signature), address, time.time()
        )
    except PeerRefused as refusal:
        pytest.fail(f"other regions refuse it: {refusal}", pytrace=False)
    body = json.loads(settings["portal_descriptor"])
    assert {key: answers[0].json().get(key) for key in body} == body


@pytest.mark.advice("Deploy again to write the files for public lists of services.", units=UNITS)
def test_directories_can_list_the_region(base: str, web: Any, settings: dict[str, Any]) -> None:
    """The descriptions for public lists of services (nodeinfo, chatonsinfo) are readable"""
    [link] = web.get(f"{base}/.well-known/nodeinfo").json()["links"]
    assert link["href"].startswith(f"{base}/"), link
    nodeinfo = web.get(link["href"]).json()
    assert (nodeinfo["version"], nodeinfo["software"]["name"]) == ("2.1", "chautari")
    folder = f"{base}/.well-known/chatonsinfos"
    organization = web.get(f"{folder}/organization.properties")
    assert organization.status_code == 200, f"{organization.status_code}"
    assert f"organization.website = {base}/" in organization.text
    for service in settings["portal_page"]["services"]:
        file = f"{folder}/{service['name']}.properties"
        assert f"subs.{service['name']} = {file}" in organization.text
        assert "file.class = service" in web.get(file).text, file


@pytest.mark.advice("Deploy again to write the page and nginx's settings.", units=UNITS)
def test_file_servers_of_peers_are_listed(base: str, web: Any, settings: dict[str, Any]) -> None:
    """Nextcloud can read the list of the peers' file servers, for invitations"""
    answer = web.get(f"{base}/.well-known/chautari/ocm-providers.json")
    assert answer.status_code == 200, f"{answer.status_code}"
    assert answer.headers["Content-Type"].startswith("application/json")
    found = answer.json()
    assert found["federation"]
    expected = [
        service["url"].rstrip("/")
        for peer in settings["portal_page"]["peers"]
        for service in peer["services"]
        if service["service"] == "nextcloud"
    ]
    assert [server["url"] for server in found["servers"]] == expected
    assert all(server["displayName"] for server in found["servers"])


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_security_headers_are_sent_and_nothing_else_is_served(base: str, web: Any) -> None:
    """Security headers are sent, and the site serves only its own files"""
    headers = web.get(f"{base}/").headers
    hsts = re.fullmatch(r"max-age=(\d+).*", headers.get("Strict-Transport-Security", ""))
    assert hsts and int(hsts[1]) >= 63072000, "Strict-Transport-Security is missing or too short"
    assert "default-src 'none'" in headers.get("Content-Security-Policy", "")
    assert headers.get("X-Content-Type-Options") == "nosniff"
    for path in ("/en.html", "/.well-known/", "/chatonsinfos/", "/../descriptor/", "/xx"):
        answer = web.get(f"{base}{path}", allow_redirects=False)
        assert answer.status_code in (400, 404), f"{path}: {answer.status_code}"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(base: str, web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(web, base, LOCATIONS)

"""The programs of the front page's node: pages, state, files for directories, signature."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from federation_samples import ADDRESS, DOMAIN, NOW, body
from portal_samples import CONTENT, FILES, HEARTBEATS, HOSTILE, STATE, load_program, texts_of
from portal_samples import NOW as CHECKED
from region_samples import ROOT

from chautari.federation.transfer import UnverifiedSignedDescriptor
from chautari.federation.trust import verify_signed_descriptor
from chautari.services.portal.languages import PAGE_LANGUAGES
from chautari.services.registry import SERVICES

sys.path.insert(0, str(FILES))
import directories
import pages

TEMPLATE = (FILES / "page.html").read_text()


def render(
    language: str = "en", state: Any = STATE, heartbeats: Any = HEARTBEATS, **changes: Any
) -> str:
    # Maps arrive at the node with their keys in the order of the alphabet.
    content = json.loads(json.dumps(CONTENT | changes, sort_keys=True))
    page = pages.Page(content, texts_of(language), language, state, heartbeats)
    return page.render(TEMPLATE)


class Elements(HTMLParser):
    """Collects the tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def keys(data: Any) -> Any:
    return {key: keys(value) for key, value in data.items()} if isinstance(data, dict) else None


def words_in_braces(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_texts_of_each_language_are_complete(language: str) -> None:
    english, own = texts_of("en"), texts_of(language)
    assert keys(own) == keys(english)
    for section in ("page", "mail", *(f"services.{name}" for name in english["services"])):
        first, _, name = section.partition(".")
        texts, model = ((data[first][name] if name else data[first]) for data in (own, english))
        for key, text in texts.items():
            assert text.strip() == text != ""
            # Languages put their words in different orders.
            assert words_in_braces(text) == words_in_braces(model[key]), key


def test_each_file_of_texts_is_a_language_of_the_page() -> None:
    assert {file.stem for file in (FILES / "texts").iterdir()} == set(PAGE_LANGUAGES)


def test_texts_describe_each_service_that_people_open() -> None:
    opened = {name for name, service in SERVICES.items() if service.front_page}
    described = set(texts_of("en")["services"])
    # The entry of polls follows from the app that the region chooses.
    assert opened | {"polls"} == described


@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_page_is_light_and_loads_nothing(language: str) -> None:
    text = render(language)
    assert len(text.encode()) < 22_000
    found = Elements(text)
    assert found.attributes("html") == [{"lang": language, "dir": "ltr"}]
    assert not found.attributes("script") and not found.attributes("img")
    loaded = [item["href"] for item in found.attributes("link") if item["rel"] != "alternate"]
    assert loaded == ["data:,"]
    links = [item["href"] for item in found.attributes("a")]
    assert [f"/{other}" for other in PAGE_LANGUAGES if other != language] == links[:5]


@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_texts_of_the_region_and_of_peers_are_escaped(language: str) -> None:
    services = [{"service": HOSTILE, "title": HOSTILE, "url": HOSTILE}]
    peer = {
        "name": HOSTILE,
        "region": HOSTILE,
        "domain": HOSTILE,
        "url": HOSTILE,
        "services": services,
    }
    script = {"service": "jitsi", "title": "x", "url": "javascript:alert(1)"}
    service = CONTENT["services"][0] | {"app": HOSTILE, "url": f"https://x/{HOSTILE}"}
    changes = {
        "title": {"": HOSTILE}, "about": {"": HOSTILE}, "accounts": {"": HOSTILE},
        "contact": HOSTILE, "peers": [peer, peer | {"services": [script]}],
        "language_names": dict.fromkeys(CONTENT["language_names"], HOSTILE), "services": [service],
    }  # fmt: skip
    changed, plain = Elements(render(language, **changes)), Elements(render(language))
    known = {(tag, name) for tag, attrs in plain.tags for name in attrs}
    assert {(tag, name) for tag, attrs in changed.tags for name in attrs} <= known | {
        ("h1", "lang"), ("p", "lang"), ("span", "lang"),
    }  # fmt: skip
    assert {tag for tag, _ in changed.tags} <= {tag for tag, _ in plain.tags}
    assert "$title" in "".join(changed.words), "a placeholder in a text was replaced"
    hrefs = [item["href"] or "" for item in changed.attributes("a")]
    assert all(re.match(r"https://|mailto:|/", href) for href in hrefs), hrefs


def test_state_is_in_words_and_has_its_time_and_zone() -> None:
    text = " ".join("".join(Elements(render()).words).split())
    assert "✓ Works" in text
    assert "✗ Does not respond since 2025-11-29 18:13 (UTC-05:00)" in text
    assert "last restored for a test on 2025-11-28 19:03 (UTC-05:00)." in text
    assert text.count("last restored") == 1
    assert "State of the services on 2025-11-29 19:03 (UTC-05:00)." in text


def test_page_without_services_and_peers_has_no_empty_list() -> None:
    text = render(services=[], peers=[])
    assert "<ul class" not in text and ">Services<" not in text
    assert "How to get an account" in text


def peer_with(*services: str, name: str = "himalaya", **changes: Any) -> dict[str, Any]:
    """Return a peer on the page with services."""
    return {
        "name": name, "region": name, "domain": f"{name}.example.org", "url": "",
        "services": [
            {"service": item, "title": item.title(), "url": f"https://{item}.{name}.example.org/"}
            for item in services
        ],
    } | changes  # fmt: skip


def text_of(page: str) -> str:
    return " ".join("".join(Elements(page).words).split())


def test_service_that_does_not_respond_names_those_of_peers() -> None:
    peers = [peer_with("jitsi", "polls"), peer_with("nextcloud", name="amazonas")]
    page = render(peers=peers)
    assert (
        'try this service of another region: <a href="https://jitsi.himalaya.example.org/">himalaya'
        "</a>. Ask there"
    ) in page
    assert page.count("Meanwhile") == 1, "polls respond"
    down = {"checked": CHECKED, "services": {"nextcloud": {"responds": False, "since": CHECKED}}}
    assert "Meanwhile" not in render(peers=peers, state=down), "no one has their files elsewhere"
    assert "Meanwhile" not in render(peers=peers, state={})


def test_fallback_is_at_a_few_peers_that_were_heard() -> None:
    peers = [peer_with("jitsi", name=f"peer-{number}") for number in range(8)]
    silent = {f"peer-{number}": {"silent": True, "last": CHECKED} for number in (0, 2)}
    silent["peer-1"] = {"silent": False, "last": 0}
    page = render(peers=peers, heartbeats=silent)
    [sentence] = re.findall(r"Meanwhile[^\n]*", page)
    assert re.findall(r">(peer-\d)<", sentence) == ["peer-3", "peer-4", "peer-5"]


@pytest.mark.parametrize(
    ("heartbeat", "expected", "is_red"),
    [
        (
            {"last": CHECKED, "silent": False},
            "Last sign of life: 2025-11-29 19:03 (UTC-05:00)",
            False,
        ),
        ({"last": CHECKED, "silent": True}, "✗ No sign of life since 2025-11-29 19:03", True),
        ({"last": 0, "silent": False}, "No sign of life yet", False),
        (None, "himalaya.example.org", False),
    ],
)
def test_peer_says_when_it_was_heard(heartbeat: Any, expected: str, is_red: bool) -> None:
    found = {} if heartbeat is None else {"himalaya": heartbeat}
    page = render(peers=[peer_with()], services=[], heartbeats=found)
    assert expected in text_of(page)
    assert ('class="bad"' in page) is is_red
    assert ("sign of life" in page) is (heartbeat is not None)


@pytest.mark.parametrize(("count", "services"), [(20, 5), (2, 60), (80, 5)])
@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_page_with_many_peers_is_light(language: str, count: int, services: int) -> None:
    names = [f"service-{number}" for number in range(services)]
    peers = [peer_with(*names, name=f"peer-{number}") for number in range(count)]
    heartbeats = {peer["name"]: {"last": CHECKED, "silent": True} for peer in peers}
    assert len(render(language, peers=peers, heartbeats=heartbeats).encode()) < 50_000


def test_page_without_a_check_says_so() -> None:
    assert "Not checked yet" in render(state={})


def test_text_in_another_language_is_marked() -> None:
    about = {"ur": "متن", "es": "Texto"}
    assert '<p lang="es">Texto</p>' in render("en", about=about)
    assert "<p>Texto</p>" in render("es", about=about)
    only = render("en", about={"ur": "متن"})
    assert '<p lang="ur" dir="rtl">متن</p>' in only


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://a.example.org/x.", ["https://a.example.org/x"]),
        ("write to a.b@example.org, please", ["mailto:a.b@example.org"]),
        ("http://a.example.org javascript:x", []),
        ('https://a.example.org/"onclick="x', ["https://a.example.org/"]),
    ],
)
def test_addresses_in_texts_become_links(text: str, expected: list[str]) -> None:
    found = Elements(pages.with_links(text))
    assert [item["href"] for item in found.attributes("a")] == expected
    assert "".join(found.words) == text


def test_service_says_which_languages_it_has() -> None:
    text = " ".join("".join(Elements(render()).words).split())
    assert "In these languages: Español, English. Not in: Runa Simi." in text
    assert "Partly in: Runa Simi." in text


def test_service_that_others_open_links_to_them() -> None:
    text = render()
    assert (
        'You open it in: <a href="https://cloud.andes.example.org/">Files and calendars</a>.'
        in text
    )


def test_nodeinfo_has_what_its_schema_requires() -> None:
    found = json.loads(directories.nodeinfo(CONTENT))
    assert set(found) == {
        "version", "software", "protocols", "services", "openRegistrations", "usage", "metadata",
    }  # fmt: skip
    assert re.fullmatch(r"[a-z0-9-]+", found["software"]["name"])
    [link] = json.loads(directories.nodeinfo_links(CONTENT))["links"]
    assert link == {"rel": directories.SCHEMA, "href": "https://andes.example.org/nodeinfo/2.1"}


def test_ocm_providers_are_the_file_servers_of_peers() -> None:
    peers = [peer_with("nextcloud", "jitsi"), peer_with("jitsi", name="amazonas")]
    found = json.loads(directories.ocm_providers(CONTENT | {"peers": peers}))
    assert found == {
        "federation": "Red Andes",
        "servers": [{"displayName": "himalaya", "url": "https://nextcloud.himalaya.example.org"}],
    }
    assert json.loads(directories.ocm_providers(CONTENT | {"peers": []}))["servers"] == []


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"peers": []}', '{"peers": {"himalaya": []}}', "[" * 60_000,
        '{"peers": {"himalaya": {"code": "heard", "data": {"issued": "x"}}}}',
        '{"peers": {"himalaya": {"code": "heard", "data": {"issued": true}}}}',
        '{"peers": {"himalaya": {"code": "heard", "data": {"issued": 99999999999999}}}}',
        '{"peers": {"himalaya": {"code": "heard", "data": {"issued": 1}}}' + " " * 70_000 + "}",
    ],
)  # fmt: skip
def test_damaged_heartbeats_are_left_out(content: str, tmp_path: Path) -> None:
    program = load_program("chautari-portal-update")
    (tmp_path / "heartbeat.json").write_text(content)
    assert program.read_heartbeats(tmp_path / "heartbeat.json") == {}
    assert program.read_heartbeats(tmp_path / "missing") == {}


def accepted_language(header: str) -> str:
    """Return the language that nginx chooses for a header, as its template says."""
    template = (ROOT / "roles" / "portal" / "templates" / "site.conf.j2").read_text()
    [pattern] = re.findall(r'^    "~\*(.*)" {{ language }};$', template, re.MULTILINE)
    pattern = pattern.replace("{{ known }}", "|".join(PAGE_LANGUAGES))
    for language in PAGE_LANGUAGES:
        if re.search(pattern.replace("{{ language }}", language), header, re.IGNORECASE):
            return language
    return "default"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("es-CO,es;q=0.9,en;q=0.8", "es"),
        ("qu, HI;q=0.5,en", "hi"),
        ("en", "en"),
        ("pt-BR", "pt"),
        ("eng,spa", "default"),
        ("fr,de", "default"),
        ("", "default"),
        ("*", "default"),
        ("xx," * 3000 + "bn", "bn"),
    ],
)
def test_first_language_that_the_page_has_is_chosen(header: str, language: str) -> None:
    assert accepted_language(header) == language


def test_chatonsinfo_has_one_line_a_key() -> None:
    about = {"": "first\nsubs.evil = https://evil.example.org/\r\n"}
    files = directories.chatonsinfo_files(CONTENT | {"about": about}, texts_of("es"), STATE)
    assert set(files) == {
        "organization.properties", *(f"{item['name']}.properties" for item in CONTENT["services"]),
    }  # fmt: skip
    lines = files["organization.properties"].splitlines()
    assert [line for line in lines if line.startswith("subs.")] == [
        f"subs.{item['name']} = https://andes.example.org/.well-known/chatonsinfos/"
        f"{item['name']}.properties"
        for item in CONTENT["services"]
    ]
    assert "service.status.level = ERROR" in files["jitsi.properties"]
    assert "service.registration = None" in files["polls.properties"]


@pytest.fixture
def sign(tmp_path: Path) -> Callable[[int], dict[str, Any]]:
    """A function that publishes a descriptor at a time, with a key of its own."""
    program = load_program("chautari-portal-sign")
    program.SETTINGS, program.PUBLISHED = tmp_path / "etc", tmp_path / "published"
    program.SETTINGS.mkdir()
    program.PUBLISHED.mkdir()
    key = program.SETTINGS / "signing-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (program.SETTINGS / "descriptor.json").write_text(
        json.dumps({"region": "andes", "title": "हि"})
    )

    def publish(now: int) -> dict[str, Any]:
        program.publish(program.descriptor(now))
        found: dict[str, Any] = json.loads(
            (program.PUBLISHED / "current" / "region.json").read_text()
        )
        return found

    return publish


def test_descriptor_is_signed_for_its_purpose(
    sign: Callable[[int], dict[str, Any]], tmp_path: Path
) -> None:
    found = sign(1_764_461_000)
    assert found["issued"] == "2025-11-30T00:03:20Z" and found["expires"] == "2025-12-30T00:03:20Z"
    assert found["serial"] == 1_764_461_000 and found["title"] == "हि"
    allowed = tmp_path / "allowed"
    allowed.write_text(f"andes {found['key']}\n")
    file = tmp_path / "published" / "current" / "region.json"
    argv = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "andes", "-s", f"{file}.sig", "-n"]
    for namespace, code in (("chautari-region", 0), ("file", 255)):
        done = subprocess.run(
            [*argv, namespace], input=file.read_bytes(), capture_output=True, check=False
        )
        assert done.returncode == code, done.stderr
    changed = file.read_bytes().replace(b"andes", b"other")
    done = subprocess.run(
        [*argv, "chautari-region"], input=changed, capture_output=True, check=False
    )
    assert done.returncode != 0


def test_other_regions_accept_what_the_node_publishes(
    sign: Callable[[int], dict[str, Any]], tmp_path: Path
) -> None:
    added = ("key", "serial", "issued", "expires")
    own = {key: value for key, value in body().items() if key not in added}
    (tmp_path / "etc" / "descriptor.json").write_text(json.dumps(own))
    key = sign(NOW)["key"]
    folder = tmp_path / "published" / "current"
    content, signature = (
        (folder / name).read_bytes() for name in ("region.json", "region.json.sig")
    )
    found = verify_signed_descriptor(
        UnverifiedSignedDescriptor(content, signature), ADDRESS, NOW, key
    )
    assert (found.domain, found.serial) == (DOMAIN, NOW)


def test_serial_grows_unless_the_clock_was_wrong(
    sign: Callable[[int], dict[str, Any]], tmp_path: Path
) -> None:
    times = (2_000_000_000, 2_000_000_000, 1_999_999_900, 1_900_000_000)
    serials = [sign(now)["serial"] for now in times]
    assert serials == [2_000_000_000, 2_000_000_001, 2_000_000_002, 1_900_000_000]
    folders = sorted(os.listdir(tmp_path / "published"))
    assert len(folders) == 3 and folders[0] == "current", folders

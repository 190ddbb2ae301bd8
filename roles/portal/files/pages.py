"""The front page in each of its languages, as HTML; texts of region.yml and peers are escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from string import Template
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Data = Mapping[str, Any]
MAX_FALLBACKS = 3
# Peers choose their services; the page must stay light.
MAX_PEER_SERVICES = 12
MAX_DETAILED_PEERS = 20
RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_LINK = re.compile(
    r"https://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]|[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)


def escape(text: object) -> str:
    """Return `text` as text of HTML or as the value of an attribute."""
    return html.escape(str(text), quote=True)


def link(url: str, text: str) -> str:
    """Return a link; an address that a browser must not open is shown as text only."""
    if not re.match(r"https://|mailto:|/", url):
        return escape(text)
    return f'<a href="{escape(url)}">{escape(text)}</a>'


def with_links(text: str) -> str:
    """Return plain text with its web and mail addresses as links."""
    parts, end = [], 0
    for found in _LINK.finditer(text):
        address = found[0]
        parts.append(escape(text[end : found.start()]))
        parts.append(link(address if "://" in address else f"mailto:{address}", address))
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def tag_of(language: str) -> str:
    """Return the language tag of HTML for a code such as es_CO."""
    return language.replace("_", "-")


def text_in_language(
    texts: Data, language: str, region_languages: Sequence[str]
) -> tuple[str, str]:
    """Return the text for readers of `language`, and the language that it is in.

    A text in no declared language is taken as one in the first language of the region.
    """
    own = next((code for code in texts if code.split("_")[0] == language), "")
    first = next(iter(region_languages), "en")
    known = (own, first, "", *texts)
    found = next((code for code in known if code in texts), "")
    return str(texts.get(found, "")), found or first


def language_attributes(language: str, page_language: str) -> str:
    """Return the attributes of a text that is in another language than its page."""
    base = language.split("_")[0]
    if base == page_language:
        return ""
    direction = ' dir="rtl"' if base in RIGHT_TO_LEFT else ""
    return f' lang="{escape(tag_of(language))}"{direction}'


class Page:
    """One page: its content, the texts of its language, and the state of the services."""

    def __init__(
        self, content: Data, texts: Data, language: str, state: Data, heartbeats: Data
    ) -> None:
        """Take the content of the page, the texts of `language`, and the last states.

        `state` is that of the services; `heartbeats` says of peers when each was last heard.
        """
        self.content, self.language, self.state = content, language, state
        self.heartbeats = heartbeats
        self.texts: Data = texts["page"]
        self.service_texts: Data = texts["services"]
        try:
            self.zone: Any = ZoneInfo(content["timezone"])
        except (ZoneInfoNotFoundError, ValueError):
            self.zone = UTC

    def render(self, template: str) -> str:
        """Return the page as HTML."""
        title, title_language = self._own_text("title")
        about = self._own_text("about")[0]
        values = {
            "language": self.language,
            "title_text": escape(title),
            "title": f"<span{self._language_attributes(title_language)}>{escape(title)}</span>",
            "description": escape(" ".join(about.split())[:200] or title),
            "alternates": "\n".join(self._alternate_links()),
            "other_languages": escape(self.texts["other_languages"]),
            "language_links": "\n".join(self._language_links()),
            "about": self._paragraphs("about"),
            "services": self._services_section(),
            "accounts_heading": escape(self.texts["accounts"]),
            "accounts": self._paragraphs("accounts")
            or f"<p>{self._sentence_with_contact('accounts_default')}</p>",
            "contact_heading": escape(self.texts["contact"]),
            "contact": self._sentence_with_contact("contact_text"),
            "peers": self._peers_section(),
            "signed": escape(self.texts["signed"]),
        }
        return Template(template).substitute(values)

    def _own_text(self, key: str) -> tuple[str, str]:
        return text_in_language(self.content[key], self.language, self.content["languages"])

    def _language_attributes(self, language: str) -> str:
        return language_attributes(language, self.language)

    def _paragraphs(self, key: str) -> str:
        text, language = self._own_text(key)
        attributes = language_attributes(language, self.language)
        parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
        return "\n".join(
            f"<p{attributes}>{'<br>'.join(map(with_links, part.splitlines()))}</p>"
            for part in parts
        )

    def _sentence_with_contact(self, key: str) -> str:
        before, _, after = self.texts[key].partition("{contact}")
        address = self.content["contact"]
        return escape(before) + link(f"mailto:{address}", address) + escape(after)

    def _alternate_links(self) -> Iterator[str]:
        for code in self.content["page_languages"]:
            yield f'<link rel="alternate" hreflang="{escape(code)}" href="/{escape(code)}">'

    def _language_links(self) -> Iterator[str]:
        for code in self.content["page_languages"]:
            name = self.content["language_names"][code]
            if code == self.language:
                yield f'<li><strong aria-current="page">{escape(name)}</strong></li>'
            else:
                attributes = (
                    f'href="/{escape(code)}" lang="{escape(code)}" hreflang="{escape(code)}"'
                )
                yield f"<li><a {attributes}>{escape(name)}</a></li>"

    def _time_element(self, seconds: float) -> str:
        moment = datetime.fromtimestamp(seconds, self.zone)
        offset = moment.strftime("%z")
        shown = f"{moment:%Y-%m-%d %H:%M} (UTC{offset[:3]}:{offset[3:5]})"
        return f'<time datetime="{moment.isoformat(timespec="seconds")}">{shown}</time>'

    def _sentence_with_time(self, key: str, seconds: float) -> str:
        before, _, after = self.texts[key].partition("{time}")
        return escape(before) + self._time_element(seconds) + escape(after)

    def _time_of_checks(self) -> str:
        if not self.state.get("checked"):
            return f"<p>{escape(self.texts['not_checked'])}</p>"
        moment = self._sentence_with_time("checked", self.state["checked"])
        return f'<p>{moment} <span class="soft">{escape(self.texts["age"])}</span></p>'

    def _services_section(self) -> str:
        cards = list(map(self._service_card, self.content["services"]))
        return self._section_of_cards("services", self._time_of_checks(), cards)

    def _section_of_cards(self, heading: str, introduction: str, cards: Sequence[str]) -> str:
        """Return a section with its cards; nothing if there are none."""
        if not cards:
            return ""
        lines = [f"<h2>{escape(self.texts[heading])}</h2>", introduction, '<ul class="cards">']
        return "\n".join(["<section>", *lines, *cards, "</ul>", "</section>"])

    def _service_card(self, service: Data) -> str:
        texts = self.service_texts.get(service["name"], {})
        name = texts.get("name", service["app"])
        lines = [
            f"<h3>{link(service['url'], name) if service['url'] else escape(name)}</h3>",
            f'<p class="soft">{escape(service["app"])}</p>',
            f"<p>{escape(texts['purpose'])}</p>" if texts else "",
            f"<p>{self._service_state(service['name'])}</p>",
            self._alternatives_at_peers(service),
            self._last_restore(service["name"]),
            self._service_address(service),
            f'<p class="soft">{escape(self.texts["account_" + service["account"]])}</p>',
            self._service_languages(service),
        ]
        return "\n".join(["<li>", *filter(None, lines), "</li>"])

    def _service_state(self, name: str) -> str:
        found = self.state.get("services", {}).get(name)
        if found is None:
            return escape(self.texts["not_checked"])
        if found["responds"]:
            return self._marked_span("good", "✓", escape(self.texts["responds"]))
        moment = self._sentence_with_time("silent", found["since"])
        return self._marked_span("bad", "✗", moment)

    def _last_restore(self, name: str) -> str:
        """Return when a backup of the service was last restored for a test, if that is known."""
        seconds = self.state.get("services", {}).get(name, {}).get("restored", 0)
        return (
            f'<p class="soft">{self._sentence_with_time("restored", seconds)}</p>'
            if seconds
            else ""
        )

    def _alternatives_at_peers(self, service: Data) -> str:
        """Return where else people can use a service that does not respond.

        For a service that holds people's own things, another region's is no help.
        """
        found = self.state.get("services", {}).get(service["name"])
        if found is None or found["responds"] or not service["url"] or service["account"] == "all":
            return ""
        links = [
            link(item["url"], peer["region"])
            for peer in self.content["peers"]
            for item in peer["services"]
            if item["service"] == service["name"] and self._may_respond(peer)
        ]
        before, _, after = self.texts["fallback"].partition("{regions}")
        shown = ", ".join(links[:MAX_FALLBACKS])
        return f"<p>{escape(before)}{shown}{escape(after)}</p>" if links else ""

    def _may_respond(self, peer: Data) -> bool:
        """Return whether a peer was heard in time; true also before the first check."""
        found = self.heartbeats.get(peer["name"])
        return found is None or bool(found["last"] and not found["silent"])

    @staticmethod
    def _marked_span(kind: str, sign: str, text: str) -> str:
        return f'<span class="{kind}"><span aria-hidden="true">{sign}</span> {text}</span>'

    def _service_address(self, service: Data) -> str:
        if service["url"]:
            return (
                f'<p class="soft">{escape(service["url"].removeprefix("https://").rstrip("/"))}</p>'
            )
        other = next(
            item for item in self.content["services"] if item["name"] == service["opened_in"]
        )
        name = self.service_texts.get(other["name"], {}).get("name", other["app"])
        before, _, after = self.texts["opened_in"].partition("{service}")
        return f"<p>{escape(before)}{link(other['url'], name)}{escape(after)}</p>"

    def _service_languages(self, service: Data) -> str:
        sentences, names_of_languages = [], self.content["language_names"]
        for state in ("full", "partial", "none"):
            names = [
                f"<span{self._language_attributes(code)}>{escape(names_of_languages[code])}</span>"
                for code in self.content["languages"]
                if service["languages"].get(code) == state
            ]
            if names:
                before, _, after = self.texts[f"languages_{state}"].partition("{names}")
                sentences.append(escape(before) + ", ".join(names) + escape(after))
        return f'<p class="soft">{" ".join(sentences)}</p>' if sentences else ""

    def _peers_section(self) -> str:
        introduction = f"<p>{escape(self.texts['peers_text'])}</p>"
        return self._section_of_cards(
            "peers", introduction, list(map(self._peer_card, self.content["peers"]))
        )

    def _peer_card(self, peer: Data) -> str:
        is_detailed = len(self.content["peers"]) <= MAX_DETAILED_PEERS
        shown = peer["services"][:MAX_PEER_SERVICES] if is_detailed else []
        services = [f"<li>{link(item['url'], item['title'])}</li>" for item in shown]
        lines = [
            f"<h3>{link(peer['url'], peer['region'])}</h3>",
            f'<p class="soft">{escape(peer["domain"])}</p>',
            self._heartbeat(peer),
            *(["<ul>", *services, "</ul>"] if services else []),
        ]
        return "\n".join(['<li class="peer">', *filter(None, lines), "</li>"])

    def _heartbeat(self, peer: Data) -> str:
        """Return when a peer was heard; nothing before the first look."""
        found = self.heartbeats.get(peer["name"])
        if found is None:
            return ""
        if not found["last"]:
            return f'<p class="soft">{escape(self.texts["peer_not_heard"])}</p>'
        if found["silent"]:
            moment = self._sentence_with_time("peer_silent", found["last"])
            return f"<p>{self._marked_span('bad', '✗', moment)}</p>"
        return f'<p class="soft">{self._sentence_with_time("peer_heard", found["last"])}</p>'

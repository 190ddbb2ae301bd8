"""Framadate as people use it: polls made, voted on, commented, exported and deleted."""

import csv
import io
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from chautari.checks import security_headers

pytestmark = pytest.mark.role("framadate")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/create_poll.php?type=date",
    "/css/no-such-file.css",
    "/robots.txt",
    "/favicon.ico",
    "/admin",
    "/no.such.file",
)

TRANSLATIONS = ("ar", "br", "ca", "de", "en", "eo", "es", "fr", "gl", "it", "nl", "oc")
PRIVATE = (
    "/app/inc/config.php",
    "/app/inc/init.php",
    "/app/classes/Framadate/Utils.php",
    "/vendor/autoload.php",
    "/tpl/page.tpl",
    "/tpl_c/",
    "/locale/en.json",
    "/bandeaux.php",
    "/composer.json",
    "/composer.lock",
    "/.gitignore",
    "/.git/config",
    "/js/.hidden.js",
    "/css/../app/inc/config.php",
    "/../../../etc/framadate/config.php",
)
HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-Robots-Tag": "noindex, nofollow",
}
UNITS = ["nginx", "php*-fpm", "mariadb"]
# What the English words are; the one in between changed its name over the years.
YES, MAYBE, NO = "Yes", ("Ifneedbe", "Under reserve"), "No"


@dataclass
class Poll:
    """A poll that a check made, as its maker and its voters know it."""

    web: Any
    base: str
    title: str
    admin_id: str

    @property
    def id(self) -> str:
        """The part of the administrator's address that voters know."""
        return self.admin_id[:16]

    def vote(self, name: str, choices: list[str]) -> Any:
        """Vote as a person does: open the page, choose, save."""
        page = self.web.get(f"{self.base}/{self.id}")
        control = re.search(r'name="control" value="([0-9a-f]{32})"', page.text)
        assert control, f"no voting form: {page.status_code} {page.text[:300]}"
        data = {"control": control[1], "name": name, "save": ""}
        data |= {f"choices[{place}]": choice for place, choice in enumerate(choices)}
        return self.web.post(f"{self.base}/{self.id}", data=data)

    def comment(self, name: str, text: str) -> Any:
        """Leave a comment as the page's script does."""
        data = {"poll": self.id, "name": name, "comment": text}
        return self.web.post(f"{self.base}/action/add_comment.php", data=data)

    def table(self) -> list[list[str]]:
        """The poll as a spreadsheet gets it."""
        answer = self.web.get(f"{self.base}/exportcsv.php", params={"poll": self.id})
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8", answer.text[:300]
        return list(csv.reader(io.StringIO(answer.content.decode())))

    def delete(self) -> Any:
        """Delete the poll as its maker does."""
        data = {"confirm_delete_poll": "1"}
        return self.web.post(f"{self.base}/{self.admin_id}/admin", data=data)


@pytest.fixture
def base(settings: dict[str, Any]) -> str:
    """The address of the start page, without its slash."""
    return f"https://{settings['framadate_domain']}"


@pytest.fixture
def make(settings: dict[str, Any], web: Any, base: str) -> Iterator[Callable[..., Poll]]:
    """A function that makes a poll step by step in the browser; polls are deleted at the end."""
    # Dates are written as the language writes them.
    web.headers["Accept-Language"] = "en"
    made: list[Poll] = []

    def make_poll(kind: str, choices: dict[str, Any]) -> Poll:
        title = f"Chautari check {secrets.token_hex(4)}"
        about = {"title": title, "name": "Chautari", "mail": settings["framadate_check_email"]}
        about |= {"description": "Made by a check.", "editable": "1", "type": kind}
        about |= {"receiveNewVotes": "on", "gotostep2": kind}
        page = web.post(f"{base}/create_poll.php", params={"type": kind}, data=about)
        assert page.url.endswith(f"/create_{kind}_poll.php"), (
            f"step 1: {page.url} {page.text[:300]}"
        )
        page = web.post(page.url, data=choices)
        assert 'name="enddate"' in page.text, f"step 2: {page.status_code} {page.text[:500]}"
        end = (date.today() + timedelta(days=30)).isoformat()
        page = web.post(page.url, data={"confirmation": "confirmation", "enddate": end})
        found = re.fullmatch(re.escape(base) + r"/([a-zA-Z0-9]{24})/admin", page.url)
        assert found, f"step 3: {page.status_code} {page.url} {page.text[:500]}"
        assert title in page.text
        made.append(Poll(web, base, title, found[1]))
        return made[-1]

    yield make_poll
    for poll in made:
        poll.delete()


@pytest.mark.advice(
    "Open the address in a browser. If it shows a maintenance page, check MariaDB.", units=UNITS
)
def test_start_page_offers_both_kinds_of_polls(base: str, web: Any) -> None:
    """The start page offers both kinds of polls"""
    answer = web.get(f"{base}/")
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:200]}"
    assert answer.url == f"{base}/", f"redirected to {answer.url}"
    ways = set(re.findall(re.escape(base) + r"/create_poll\.php\?type=\w+", answer.text))
    assert len(ways) == 2, f"kinds of polls: {sorted(ways)}"


@pytest.mark.advice("Check languages in region.yml, then deploy again.", units=UNITS)
def test_page_speaks_the_region_s_language(base: str, web: Any, settings: dict[str, Any]) -> None:
    """Browsers without a preferred language get the region's language"""
    spoken = [language.split("_")[0] for language in settings["framadate_languages"]]
    wanted = next(language for language in [*spoken, "en"] if language in TRANSLATIONS)
    found = re.search(r'<html lang="([a-z]+)', web.get(f"{base}/").text)
    assert found, "the page does not specify a language"
    assert found[1] == wanted


@pytest.mark.advice("Read /var/log/framadate and the journal on the node.", units=UNITS)
def test_date_poll_is_made_voted_on_and_exported(make: Callable[..., Poll]) -> None:
    """A date poll is created, voted on and exported"""
    first, second = ((date.today() + timedelta(days=days)).isoformat() for days in (7, 8))
    days = {"days[]": [first, second], "horaires0[]": ["10:00", "15:00"], "horaires1[]": ["11:00"]}
    poll = make("date", days | {"choixheures": "Next"})
    answer = poll.vote("Ana", ["2", "0", "1"])
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:300]}"
    dates, hours, vote = poll.table()
    assert dates[1:4] == [first, first, second], dates
    assert hours[1:4] == ["10:00", "15:00", "11:00"], hours
    assert vote[:3] == ["Ana", YES, NO] and vote[3] in MAYBE, vote


@pytest.mark.advice("Read /var/log/framadate and the journal on the node.", units=UNITS)
def test_classic_poll_is_made_voted_on_commented_and_exported(make: Callable[..., Poll]) -> None:
    """A poll about other choices is created, voted on, commented on and exported"""
    choices = ["Momo", "दाल भात", "Ají de gallina 🍲"]
    poll = make("classic", {"choices[]": choices, "fin_sondage_autre": "Next"})
    poll.vote("Ana", ["2", "0", "1"])
    poll.vote("दावा 🙏", ["0", "2", "2"])
    said = poll.comment("Ana", "मःमः 🥟")
    assert said.json()["result"], said.text[:300]
    assert "मःमः 🥟" in poll.web.get(f"{poll.base}/{poll.id}").text, "the comment is not shown"
    head, *votes = poll.table()
    assert head[1:4] == choices, head
    assert votes[0][:3] == ["Ana", YES, NO] and votes[0][3] in MAYBE, votes[0]
    assert votes[1][:4] == ["दावा 🙏", NO, YES, YES], votes[1]


@pytest.mark.advice("Read /var/log/framadate and the journal on the node.", units=UNITS)
def test_poll_is_deleted_by_its_maker_alone(make: Callable[..., Poll]) -> None:
    """Only the creator of a poll can delete it"""
    poll = make("classic", {"choices[]": ["one", "two"], "fin_sondage_autre": "Next"})
    stranger = Poll(poll.web, poll.base, poll.title, f"{poll.id}{'a' * 8}")
    stranger.delete()
    assert poll.title in poll.web.get(f"{poll.base}/{poll.id}").text, "a stranger deleted the poll"
    poll.delete()
    assert poll.title not in poll.web.get(f"{poll.base}/{poll.id}").text, "the poll is still there"


@pytest.mark.advice(
    "Check the node's mail queue (mailq), and read /var/log/framadate.",
    units=["postfix@-", *UNITS],
)
def test_mails_about_a_poll_arrive(
    settings: dict[str, Any], make: Callable[..., Poll], mailbox: Any
) -> None:
    """Mails about a new poll and about a vote arrive"""
    to = settings["framadate_check_email"]
    poll = make("classic", {"choices[]": ["one", "two"], "fin_sondage_autre": "Next"})
    poll.vote("Nandini", ["2", "0"])
    mailbox.wait_for_mail(to=to, subject_contains=poll.title)
    wanted = (f"{poll.base}/{poll.admin_id}/admin", f"{poll.base}/{poll.id}", "Nandini")
    for _ in range(30):
        found = [
            mail for mail in mailbox.recent_mails(to, minutes=5) if poll.title in mail["subject"]
        ]
        text = "\n".join(re.sub("=\r?\n", "", mail["body"]) for mail in found)
        if len(found) >= 3:
            break
        time.sleep(1)
    missing = [words for words in wanted if not re.search(re.escape(words) + r"(?!\w)", text)]
    assert not missing, f"none of {len(found)} mails contains {missing}: {text[:800]}"
    assert {mail["from"] for mail in found} == {settings["framadate_mail_from"]}


@pytest.mark.advice(
    "The administration pages are open. Check admin_from_outside in region.yml, then deploy again.",
    units=["nginx"],
)
def test_administration_is_refused_without_a_login(
    base: str, web: Any, settings: dict[str, Any], secret: Callable[[str], str]
) -> None:
    """The administration pages need a login, and are public only if the region allows it"""
    login = ("admin", secret("framadate_admin_password"))
    opened = settings["framadate_admin_from_outside"]
    forged = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "X-Remote-User": "admin"}
    for path in ("", "index.php", "polls.php", "purge.php", "logs.php", "migration.php"):
        for auth in (None, ("admin", secrets.token_hex(8))):
            answer = web.get(f"{base}/admin/{path}", auth=auth, headers=forged)
            wanted = 401 if opened else 403
            assert answer.status_code == wanted, f"/admin/{path}: {answer.status_code}"
        answer = web.get(f"{base}/admin/{path}", auth=login)
        assert answer.status_code == (200 if opened else 403), f"/admin/{path} with its login"
    for path in ("install.php", "stdout.log", "../admin/index.php/x.css"):
        assert web.get(f"{base}/admin/{path}").status_code in (401, 403, 404), path


@pytest.mark.advice("Deploy again, because nginx serves private files.", units=["nginx"])
def test_private_paths_are_not_found(base: str, web: Any) -> None:
    """Private paths are not served"""
    found = {}
    for path in PRIVATE:
        answer = web.get(f"{base}{path}", allow_redirects=False)
        if answer.status_code not in (400, 404):
            found[path] = answer.status_code
    assert not found, f"private paths that are served: {found}"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_security_headers_are_sent(base: str, web: Any) -> None:
    """Security headers are sent, and scripts and plain HTTP connections cannot read the cookie"""
    answer = web.get(f"{base}/create_poll.php?type=date")
    sent = {name: answer.headers.get(name) for name in HEADERS}
    assert sent == HEADERS, sent
    hsts = re.fullmatch(r"max-age=(\d+).*", answer.headers.get("Strict-Transport-Security", ""))
    assert hsts and int(hsts[1]) >= 63072000, "Strict-Transport-Security is missing or too short"
    assert "X-Powered-By" not in answer.headers, "X-Powered-By is sent"
    cookie = answer.headers["Set-Cookie"].lower()
    assert all(word in cookie for word in ("secure", "httponly", "samesite=lax")), cookie


@pytest.mark.advice("Deploy again to write the settings that ignore forged headers.", units=UNITS)
def test_forged_names_are_not_believed(base: str, web: Any) -> None:
    """Forged request headers do not change the links in Framadate's pages"""
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "forged.invalid"}
    text = web.get(f"{base}/", headers=forged).text
    assert "forged.invalid" not in text
    assert f"{base}/create_poll.php" in text, "links do not use the public address"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(base: str, web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(web, base, LOCATIONS)

"""What the program for Nextcloud's peers asks of its own Nextcloud and of `occ`."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from nextcloud_pair import FEDERATION
from nextcloud_web import STATUS, URL, Reply, Web, reply, running_web

# isort: split
import own_nextcloud
from own_nextcloud import ANSWER, REQUEST, Job, OwnNextcloud, OwnProblem, TrustedServer


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with running_web(tmp_path, monkeypatch) as found:
        yield found


OCC = """#!/usr/bin/env python3
import json, sys
from pathlib import Path
folder = Path(__file__).parent
with (folder / "calls").open("a") as file:
    file.write(json.dumps([*sys.argv[1:], sys.stdin.read()]) + "\\n")
for key, (code, text) in json.loads((folder / "answers").read_text()).items():
    if " ".join(sys.argv[1:]).startswith(key):
        sys.stdout.write(text)
        sys.exit(code)
sys.exit(64)
"""


class Occ:
    """A command in the place of `occ`, with answers by the beginning of its arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "occ"
        self.path.write_text(OCC)
        self.path.chmod(0o755)
        self.answers: dict[str, tuple[int, str]] = {"list --raw federation": (0, "federation:sync")}

    def answer(self, **_: Any) -> None:
        (self.folder / "answers").write_text(json.dumps(self.answers))

    def calls(self) -> list[list[str]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def occ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Occ:
    folder = tmp_path / "occ"
    folder.mkdir()
    found = Occ(folder)
    monkeypatch.setattr(own_nextcloud, "OCC", str(found.path))
    return found


@pytest.fixture
def own(web: Web, tmp_path: Path) -> OwnNextcloud:
    return OwnNextcloud(URL, tmp_path)


TOKEN = "T0ken" * 14


def with_ocs(web: Web, occ: Occ, *answers: Reply) -> None:
    """Let Nextcloud accept the app password, and answer requests about servers in order."""
    occ.answers["user:auth-tokens:add admin"] = (
        0,
        f"No password provided.\napp password:\n{TOKEN}\n",
    )
    occ.answer()
    queue = list(answers)

    def serve(handler: BaseHTTPRequestHandler) -> Reply:
        login = base64.b64decode(handler.headers["Authorization"].split()[1]).decode()
        if login != f"admin:{TOKEN}" or handler.headers["OCS-APIRequest"] != "true":
            return reply({"ocs": {"data": []}}, 401)
        return queue.pop(0)

    web.replies[own_nextcloud.SERVERS] = serve
    web.replies[f"{own_nextcloud.SERVERS}/7"] = serve


def ocs(data: Any, status: int = 200) -> Reply:
    return reply({"ocs": {"meta": {"status": "ok"}, "data": data}}, status)


def test_servers_are_listed_with_an_app_password_that_only_the_program_reads(
    web: Web, occ: Occ, own: OwnNextcloud, tmp_path: Path
) -> None:
    entry = {"url": "https://a.example.org", "id": 7, "status": 2}
    with_ocs(web, occ, ocs([entry]), ocs([]))
    assert own.servers() == [TrustedServer(7, "https://a.example.org", 2)]
    assert own.servers() == []
    assert (tmp_path / "app-password").stat().st_mode & 0o777 == 0o600
    created = [call for call in occ.calls() if call[0] == "user:auth-tokens:add"]
    assert created == [
        ["user:auth-tokens:add", "admin", "--name=chautari-federation", "--no-interaction", ""]
    ]
    assert TOKEN not in json.dumps(occ.calls())


def test_a_refused_app_password_is_made_anew_once(
    web: Web, occ: Occ, own: OwnNextcloud, tmp_path: Path
) -> None:
    (tmp_path / "app-password").write_text("old")
    tokens = [{"id": 3, "name": "chautari-federation"}, {"id": 4, "name": "phone"}]
    occ.answers["user:auth-tokens:list admin --output=json"] = (0, json.dumps(tokens))
    occ.answers["user:auth-tokens:delete admin 3"] = (0, "")
    with_ocs(web, occ, ocs([]))
    assert own.servers() == []
    assert ["user:auth-tokens:delete", "admin", "3", ""] in occ.calls()
    web.replies[own_nextcloud.SERVERS] = ocs([], 401)
    with pytest.raises(OwnProblem, match="status 401"):
        own.servers()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (409, True), (404, False)])
def test_add_returns_whether_nextcloud_reached_the_peer(
    status: int, expected: bool, web: Web, occ: Occ, own: OwnNextcloud
) -> None:
    with_ocs(web, occ, ocs({"message": "…"}, status))
    assert own.add("https://a.example.org") is expected
    method, path, _, body = web.seen[-1]
    assert (method, path) == ("POST", f"{own_nextcloud.SERVERS}?format=json")
    assert parse_qs(body) == {"url": ["https://a.example.org"]}


@pytest.mark.parametrize("answer", [ocs([], 500), reply(b"<html>", 200), reply({"ocs": 1})])
def test_unusable_answers_of_the_own_nextcloud_are_reported(
    answer: Reply, web: Web, occ: Occ, own: OwnNextcloud
) -> None:
    with_ocs(web, occ, answer, answer)
    with pytest.raises(OwnProblem):
        own.servers()


def test_remove_deletes_the_server(web: Web, occ: Occ, own: OwnNextcloud) -> None:
    with_ocs(web, occ, ocs({"id": 7}))
    own.remove(TrustedServer(7, "https://a.example.org", 2))
    assert web.seen[-1][:2] == ("DELETE", f"{own_nextcloud.SERVERS}/7?format=json")


def test_jobs_are_found_by_their_server_and_deleted_after_a_question(
    occ: Occ, own: OwnNextcloud
) -> None:
    jobs = [
        {"id": "11", "argument": json.dumps({"url": "https://a.example.org", "token": "t"})},
        {"id": "12", "argument": json.dumps({"url": "https://b.example.org", "token": "t"})},
        {"id": "13", "argument": "broken"},
        {"id": "14", "argument": "[1]"},
        "text",
    ]
    occ.answers[f"background-job:list --class={own_nextcloud.JOBS}{ANSWER}"] = (0, "[]")
    occ.answers[f"background-job:list --class={own_nextcloud.JOBS}{REQUEST}"] = (
        0, f"text\n{json.dumps(jobs)}\n",
    )  # fmt: skip
    occ.answers["background-job:delete 11"] = (0, "")
    occ.answer()
    assert own.jobs("https://a.example.org", ANSWER) == []
    [job] = own.jobs("https://a.example.org", REQUEST)
    assert job == Job("11", "t")
    own.delete(job)
    assert occ.calls()[-1] == ["background-job:delete", "11", "y\n"]


def test_newer_releases_are_asked_by_their_command(
    web: Web, occ: Occ, own: OwnNextcloud, tmp_path: Path
) -> None:
    table = (
        "+----+-----------------------+----------------+\n"
        "| id | url                   | status         |\n"
        "+----+-----------------------+----------------+\n"
        "| 7  | https://a.example.org | access revoked |\n"
        "| 8  | https://b.example.org | ok             |\n"
        "| 9  | https://c.example.org | new word       |\n"
    )
    occ.answers = {
        "list --raw federation": (0, "federation:trusted-servers  Manage trusted servers\n"),
        "federation:trusted-servers --list": (0, table),
        "federation:trusted-servers --add https://d.example.org": (0, "added"),
        "federation:trusted-servers --remove https://a.example.org": (0, "removed"),
    }
    occ.answer()
    assert [tuple(server) for server in own.servers()] == [
        (7, "https://a.example.org", 4), (8, "https://b.example.org", 1),
        (9, "https://c.example.org", 3),
    ]  # fmt: skip
    assert own.add("https://d.example.org")
    own.remove(TrustedServer(7, "https://a.example.org", 4))
    assert web.seen == [] and not (tmp_path / "app-password").exists()
    again = OwnNextcloud(URL, tmp_path)
    again.servers()
    assert sum(call[0] == "list" for call in occ.calls()) == 1


def test_execute_and_synchronize_call_occ(occ: Occ, own: OwnNextcloud) -> None:
    occ.answers = {
        "background-job:execute --force-execute 5": (1, "not found"),
        "federation:sync-addressbooks": (0, ""),
    }
    occ.answer()
    own.execute(Job("5", "t"))
    own.synchronize()
    assert [call[0] for call in occ.calls()] == [
        "background-job:execute", "federation:sync-addressbooks",
    ]  # fmt: skip
    occ.answers["federation:sync-addressbooks"] = (1, "broken")
    occ.answer()
    with pytest.raises(OwnProblem, match="returned 1"):
        own.synchronize()


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [(1, "", True), (0, "", True), (0, "0\n", True), (0, "1\n", False), (0, "true\n", False)],
)
def test_signs(code: int, text: str, expected: bool, occ: Occ, own: OwnNextcloud) -> None:
    occ.answers = {"config:app:get core ocm_signed_request_disabled": (code, text)}
    occ.answer()
    assert own.signs() is expected


def test_address_has_no_slash_at_its_end(occ: Occ, own: OwnNextcloud) -> None:
    occ.answers = {"config:system:get overwrite.cli.url": (0, "https://a.example.org/\n")}
    occ.answer()
    assert own.address() == "https://a.example.org"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(STATUS), True),
        (reply(STATUS | {"maintenance": True}), False),
        (reply(STATUS | {"needsDbUpgrade": True}), False),
        (reply({}), False),
        (reply(b"", 503), False),
    ],
)
def test_is_ready(answer: Reply, expected: bool, web: Web, own: OwnNextcloud) -> None:
    web.replies["/status.php"] = answer
    assert own.is_ready() is expected


def test_program_has_no_syntax_that_the_node_s_python_lacks() -> None:
    """Debian 12 has Python 3.11."""
    for file in [*FEDERATION.glob("*.py"), FEDERATION / "nextcloud-federation"]:
        compile(file.read_text(), str(file), "exec")
    text = (FEDERATION / "nextcloud-federation").read_text()
    assert text.startswith("#!/usr/bin/python3 -EsB\n")


def test_program_with_no_peers_deletes_its_app_password(web: Web, occ: Occ, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "app-password").write_text(TOKEN)
    settings = tmp_path / "federation.json"
    settings.write_text(json.dumps({"url": URL, "domain": "andes.example.org", "peers": []}))
    occ.answers["user:auth-tokens:list admin --output=json"] = (0, "[]")
    occ.answer()
    text = (FEDERATION / "nextcloud-federation").read_text()
    for name, value in (("LIBRARY", FEDERATION), ("SETTINGS", settings), ("STATE", state)):
        lines = text.splitlines(keepends=True)
        text = "".join(
            f'{name} = Path("{value}")\n' if line.startswith(f"{name} =") else line
            for line in lines
        )
    text = text.replace("# noqa: E402\n", "\n", 1).replace(
        "from own_nextcloud",
        f'import own_nextcloud\nown_nextcloud.OCC = "{occ.path}"\nfrom own_nextcloud',
        1,
    )
    program = tmp_path / "program"
    program.write_text(text)
    done = subprocess.run(["python3", str(program)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in state.iterdir()) == ["federation.json", "lock"]

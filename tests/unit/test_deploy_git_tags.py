"""Asking a git server for tags: git's own server answers, and hostile ones."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chautari.deploy import git_tags
from chautari.deploy.git_tags import NoTagList, fetch_tags, parse_tags

OID = "a" * 40
LIST = "application/x-git-upload-pack-result"
Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def packet(text: str) -> bytes:
    return f"{len(text) + 4:04x}{text}".encode()


def ref(name: str) -> bytes:
    return packet(f"{OID} refs/tags/{name}\n")


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Return a function that starts a server with an answer to each POST."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def send(code: int, body: bytes, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler, _: bytes) -> None:
        request.send_response(code)
        for name, value in ({"Content_Type": LIST} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def git_backend(root: Path) -> Answer:
    """Return what git's own HTTP server answers for the repositories in `root`."""
    core = subprocess.check_output(["git", "--exec-path"], text=True).strip()

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> None:
        env = os.environ | {
            "GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": "POST",
            "PATH_INFO": request.path, "CONTENT_TYPE": request.headers["Content-Type"],
            "CONTENT_LENGTH": str(len(body)), "GIT_PROTOCOL": request.headers["Git-Protocol"],
        }  # fmt: skip
        done = subprocess.run(
            [f"{core}/git-http-backend"], input=body, env=env, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        send(200, content, Content_Type=fields["Content-Type"])(request, body)

    return answer


def test_fetch_reads_tags_from_gits_own_server(
    tmp_path: Path, serve: Callable[[Answer], str]
) -> None:
    folder = tmp_path / "app.git"
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    tree = subprocess.check_output(["git", "-C", folder, "mktree"], input=b"").decode().strip()
    name = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"]
    made = ["git", *name, "-C", str(folder), "commit-tree", tree, "-m", "first"]
    commit = subprocess.check_output(made, text=True).strip()
    for tag in ("v1.0.0", "v2.0.0", "v2.0.1", "v2.1.0-rc1", "w2.0.0"):
        subprocess.run(["git", "-C", folder, "update-ref", f"refs/tags/{tag}", commit], check=True)
    subprocess.run(["git", "-C", folder, "update-ref", "refs/heads/v2.9.9", commit], check=True)
    url = f"{serve(git_backend(tmp_path))}/app"
    assert fetch_tags(url, ["v2.", "v3."]) == ["v2.0.0", "v2.0.1", "v2.1.0-rc1"]
    assert fetch_tags(url, ["x"]) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (send(200, b"<html>log in</html>", Content_Type="text/html"), "not_a_list"),
        (send(200, b"<html>log in</html>"), "not_a_list"),
        (send(302, b"", Location="http://127.0.0.1:9/"), "not_a_list"),
        (send(404, b""), "not_a_list"),
        (send(200, b"\x1f\x8b", Content_Encoding="gzip"), "not_a_list"),
        (send(200, b""), "not_a_list"),
        (send(200, b"a" * (git_tags.MAX_BYTES + 1)), "list_too_long"),
        (send(200, b"0000", Content_Length="100"), "no_answer"),
    ],
)  # fmt: skip
def test_fetch_believes_only_a_list(
    answer: Answer, reason: str, serve: Callable[[Answer], str]
) -> None:
    with pytest.raises(NoTagList, match=f"^{reason}$"):
        fetch_tags(f"{serve(answer)}/app", ["v"])


def test_fetch_gives_up_on_a_server_that_sends_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[[Answer], str]
) -> None:
    monkeypatch.setattr(git_tags, "SECONDS", 0.3)
    stop = threading.Event()

    def drip(request: BaseHTTPRequestHandler, _: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Type", LIST)
        request.end_headers()
        while not stop.wait(0.05):
            request.wfile.write(b"0")

    with pytest.raises(NoTagList, match=r"^no_answer$"):
        fetch_tags(f"{serve(drip)}/app", ["v"])
    stop.set()


def test_fetch_names_a_server_that_is_not_there() -> None:
    with pytest.raises(NoTagList, match=r"^no_answer$"):
        fetch_tags("http://127.0.0.1:9/app", ["v"])


def test_fetch_sends_no_password_from_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Answer], str]
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ana password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    seen: list[str | None] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> None:
        seen.append(request.headers["Authorization"])
        send(200, b"0000")(request, body)

    fetch_tags(f"{serve(answer)}/app", ["v"])
    assert seen == [None]


def test_parse_leaves_out_tags_with_unusual_characters() -> None:
    body = ref("v1.0") + ref("v\x1b]0;x") + packet(f"{OID} refs/heads/v3\n") + ref("v2.0") + b"0000"
    assert list(parse_tags(body)) == ["v1.0", "v2.0"]


@pytest.mark.parametrize(
    "body",
    [b"", b"00", b"zzzz", b"-001", b"0001", b"0003", b"0009ab", b"ffff" + b"a" * 100, ref("v1"),
     packet("ERR no such repository") + b"0000", ref("v1") * (git_tags.MAX_TAGS + 1) + b"0000"],
)  # fmt: skip
def test_parse_refuses_what_is_no_list(body: bytes) -> None:
    with pytest.raises(NoTagList):
        list(parse_tags(body))

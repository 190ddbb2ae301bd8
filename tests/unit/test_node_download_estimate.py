"""The estimate of downloads: the list of apt, and the sizes that servers report."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from running_server import running

from chautari.node.download_estimate import estimate_download
from chautari.node.task_resources import resources_of_task

URIS = """\
'http://mirror.example.org/a_1_amd64.deb' a_1_amd64.deb 1000 SHA256:abc
'http://mirror.example.org/b%3a1_all.deb' b_1%3a1_all.deb 234 SHA256:abc
E: not a line of a file 99
"""
EMPTY = {
    "event": "download_estimate",
    "bytes": 0,
    "packages": 0,
    "unknown_urls": [],
    "unknown_packages": [],
    "partial": False,
}


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        size = {"/big": "5000", "/odd": "many", "/none": ""}.get(self.path)
        self.send_response(200 if size is not None else 404)
        if size:
            self.send_header("Content-Length", size)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with running(HTTPServer(("127.0.0.1", 0), Handler)) as found:
        yield f"http://127.0.0.1:{found.server_port}"


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a fake apt-get without packages `new-…`; return the file of its arguments."""
    program, arguments = tmp_path / "bin" / "apt-get", tmp_path / "arguments"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {arguments}\n'
        f"case \"$*\" in *new-*) exit 100;; esac\ncat <<'END'\n{URIS}END\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return arguments


def write_records(folder: Path, *records: dict[str, Any]) -> Path:
    file = folder / "managed.jsonl"
    file.write_text("".join(json.dumps({"role": "web"} | record) + "\n" for record in records))
    return file


def package(name: str) -> dict[str, Any]:
    return {"item": {"kind": "package", "name": name}}


def test_estimate_adds_packages_and_files(tmp_path: Path, apt: Path, server: str) -> None:
    records = write_records(
        tmp_path, package("beta"), package("alpha"), package("alpha"), {"download": f"{server}/big"}
    )
    assert estimate_download(records) == EMPTY | {"bytes": 6234, "packages": 1234}
    [line] = apt.read_text().splitlines()
    assert line.endswith("--print-uris install -- alpha beta")


@pytest.mark.parametrize("path", ["/gone", "/odd", "/none"])
def test_estimate_names_a_file_of_unknown_size(path: str, tmp_path: Path, server: str) -> None:
    found = estimate_download(write_records(tmp_path, {"download": f"{server}{path}"}))
    assert (found["bytes"], found["unknown_urls"]) == (0, [f"{server}{path}"])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "", "http://["])
def test_estimate_requests_sizes_only_over_http(url: str, tmp_path: Path) -> None:
    assert estimate_download(write_records(tmp_path, {"download": url}))["unknown_urls"] == [url]


def test_estimate_survives_an_unreachable_server(tmp_path: Path, server: str) -> None:
    url = "http://127.0.0.1:9/x"
    assert estimate_download(write_records(tmp_path, {"download": url}))["unknown_urls"] == [url]


def test_estimate_never_passes_an_invalid_name_to_apt(tmp_path: Path, apt: Path) -> None:
    assert (
        estimate_download(
            write_records(tmp_path, package("--force"), package("/x.deb"), package("a*"))
        )["bytes"]
        == 0
    )
    assert not apt.exists()


def test_estimate_without_records_runs_nothing(tmp_path: Path, apt: Path) -> None:
    other = {"item": {"kind": "path", "name": "/etc/x"}}
    for records in (tmp_path / "gone", write_records(tmp_path, other, {"completed": True})):
        assert estimate_download(records) == EMPTY
    assert not apt.exists()


def test_estimate_counts_packages_in_addition_to_an_unknown_one(tmp_path: Path, apt: Path) -> None:
    """What several packages bring along is fetched once."""
    names = ("alpha", "beta", "new-one", "new-two", "zeta")
    found = estimate_download(write_records(tmp_path, *map(package, names)))
    assert (found["bytes"], found["packages"]) == (1234, 1234)
    assert found["unknown_packages"] == ["new-one", "new-two"]


def test_estimate_leaves_out_a_package_to_remove(tmp_path: Path, apt: Path) -> None:
    [gone], _ = resources_of_task("apt", {"name": "apache2", "state": "absent"}, {}, False)
    assert estimate_download(write_records(tmp_path, {"item": gone})) == EMPTY
    assert not apt.exists()


def test_estimate_names_images_as_of_unknown_size(tmp_path: Path) -> None:
    image = "the image docker.io/library/x@sha256:00"
    assert estimate_download(write_records(tmp_path, {"download": image})) == EMPTY | {
        "unknown_urls": [image]
    }


def test_estimate_is_partial_after_an_incomplete_dry_run(tmp_path: Path) -> None:
    assert estimate_download(write_records(tmp_path), partial=True)["partial"] is True

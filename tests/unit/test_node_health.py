"""What the node measures, and from which figures on it is a problem."""

from __future__ import annotations

import fcntl
import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from health_samples import DAY, GB, NOW, certificate, disk, measured, updates

from chautari.node.health import disks, main, probes, problems
from chautari.node.health.problems import find_problems
from chautari.node.health.texts import TEXTS, problem_texts


def codes(**changes: Any) -> list[tuple[str, int]]:
    return [(item.code, item.level) for item in find_problems(measured(**changes), NOW)]


def silent(minutes: int) -> dict[str, Any]:
    return {"rooms": {"responds": False, "since": NOW - 60 * minutes}}


LIMITS: list[tuple[dict[str, Any], list[tuple[str, int]]]] = [
    ({}, []),
    ({"disks": [disk(15)]}, []),
    ({"disks": [disk(14.9)]}, [("disk_low", 1)]),
    ({"disks": [disk(5)]}, [("disk_low", 1)]),
    ({"disks": [disk(4.9)]}, [("disk_nearly_full", 2)]),
    ({"disks": [disk(0)]}, [("disk_nearly_full", 2)]),
    ({"disks": [disk(60, days_left=7.0)]}, []),
    ({"disks": [disk(60, days_left=6.9)]}, [("disk_full_soon", 1)]),
    ({"certificates": [certificate(20)]}, []),
    ({"certificates": [certificate(19.9)]}, [("certificate_ends", 1)]),
    ({"certificates": [certificate(2.9)]}, [("certificate_ends", 2)]),
    ({"certificates": [certificate(0)]}, [("certificate_expired", 2)]),
    ({"certificates": [certificate(9000, temporary=True)]}, [("certificate_temporary", 1)]),
    ({"updates": updates(due=90)}, []),
    ({"updates": updates(due=3, security=3, security_since=NOW - 3 * DAY)}, []),
    ({"updates": updates(due=3, security=3, security_since=NOW - 4 * DAY)}, [("updates_late", 1)]),
    ({"updates": updates(lists=NOW - 4 * DAY)}, [("lists_old", 1)]),
    ({"updates": None}, []),
    ({"reboot_since": NOW - 7 * DAY}, []),
    ({"reboot_since": NOW - 8 * DAY}, [("reboot_pending", 1)]),
    ({"units": ["x.service"]}, [("unit_failed", 2)]),
    ({"services": silent(5)}, [("service_silent", 2)]),
    ({"meetings": None, "services": {}, "disks": [], "certificates": []}, []),
]


@pytest.mark.parametrize(("changes", "expected"), LIMITS)
def test_limits(changes: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    assert codes(**changes) == expected


def test_every_problem_has_a_text_and_a_step() -> None:
    found = [item for changes, _ in LIMITS for item in find_problems(measured(**changes), NOW)]
    assert {item.code for item in found} == set(TEXTS)
    for item in found:
        what, step = problem_texts(item.code, item.data, "andes")
        assert what and step and "{" not in what + step and "unreadable" not in what


def test_units_of_backups_are_left_to_the_watch_of_backups() -> None:
    names = ["chautari-backup.service", "chautari-backup-watch.service", "chautari-drill.service",
             "nginx.service"]  # fmt: skip
    found = find_problems(measured(units=names), NOW)
    assert [item.key for item in found if problems.is_mailed_by_health_timer(item)] == [
        "unit nginx.service"
    ]


@pytest.mark.parametrize(
    ("uptime", "deploying", "kinds"),
    [
        (60, False, {"unit", "service", "updates", "lists", "certificate"}),
        (16 * 60, False, {"updates", "lists", "certificate"}),
        (2 * DAY, False, set()),
        (2 * DAY, True, {"unit", "service"}),
    ],
)
def test_kinds_that_are_no_problems_yet(uptime: float, deploying: bool, kinds: set[str]) -> None:
    assert set(main.kinds_to_leave_out(uptime, deploying)) == kinds


def test_deploy_is_noticed_by_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not main.deploy_is_running(lock)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main.deploy_is_running(lock)
    assert not main.deploy_is_running(lock)


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
24 22 8:1 /var/lib/x /var/lib/x ro - ext4 /dev/sda1 rw
25 22 8:17 / {data} ro - xfs /dev/sdb1 rw
26 22 8:33 / /media/cd ro - ext4 /dev/sdc1 ro
27 22 0:50 / /var/lib/containers/storage/overlay/x/merged rw - overlay overlay rw
28 22 8:49 / /missing/place rw - ext4 /dev/sdd1 rw
29 22
"""


def test_each_writable_disk_counts_once(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    data.mkdir()
    text = MOUNTS.format(data=str(data).replace(" ", "\\040"))
    assert [mount.place for mount in disks.writable_disks_in_mountinfo(text)] == ["/", str(data)]
    container = "22 1 0:50 / / rw - overlay overlay rw\n"
    assert [mount.place for mount in disks.writable_disks_in_mountinfo(container)] == ["/"]


def samples(*per_day: float, start: float = 100 * GB) -> list[disks.Sample]:
    """Return four samples a day in which the free space falls by these GB a day."""
    found, free, moment = list[disks.Sample](), start, NOW
    for gigabytes in per_day:
        for _ in range(4):
            found.append((moment, int(free)))
            free -= gigabytes * GB / 4
            moment += DAY // 4
    return found


@pytest.mark.parametrize(
    ("history", "days"),
    [
        ([], None),
        (samples(5, 5, 5), None),  # with two daily changes, an upload would look like a trend
        (samples(0, 0, 0, 0, 0), None),
        (samples(-1, -1, -1, -1, -1), None),
        (samples(1, 1, 1, 1, 1, start=20 * GB), 20),
        (samples(0, 0, 0, 50, 0, 0, 0), None),  # one large upload
        (samples(2, 2, 2, -30, 2, 2, 2, 2), 10),  # one clean-up
        (samples(0, 0, 7, 0, 0, 0, 0, 0, 0, 7, 0, 0), 25.7),  # a burst a week, of which one counts
        (samples(0.001, 0.001, 0.001, 0.001, 0.001), None),  # in centuries
    ],
)
def test_trend(history: list[disks.Sample], days: float | None) -> None:
    found = disks.days_until_full(history, 20 * GB)
    assert found == (None if days is None else pytest.approx(days, abs=0.2))


def test_history_is_bounded_and_ignores_a_wrong_clock() -> None:
    history: list[disks.Sample] = [(NOW + 900 * DAY, 1)]
    for number in range(1000):
        history = disks.add_sample_if_due(history, NOW + number * 300, GB)
    assert len(history) == 14 and history[0][0] == NOW
    for number in range(1000):
        history = disks.add_sample_if_due(history, NOW + (100 + number) * DAY, GB)
    assert len(history) == disks.MAX_SAMPLES


@pytest.mark.parametrize("content", [{}, {"/": [[1]]}, {"/": 1}, {"/": [["x", 1]]}])
def test_damaged_history_counts_as_empty(content: dict[str, Any]) -> None:
    assert disks.parse_history(content) == {}


SIMULATED = """\
Inst base-files [12.4+deb12u11] (12.4+deb12u12 Debian:12.12/oldstable [amd64])
Inst openssl [3.0.16-1] (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64]) []
Inst linux-image-6.1 (6.1.147 Debian-Security:12/oldstable-security [amd64])
Inst tzdata [2025a] (2025b Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [all])
Conf openssl (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
"""


def test_updates_are_counted() -> None:
    assert probes.count_updates(SIMULATED) == (3, 2)
    assert probes.count_updates("") == (0, 0)


def test_apt_is_asked_after_changes_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(probes, "run_command", lambda argv: asked.append(argv) or SIMULATED)
    monkeypatch.setattr(probes, "DPKG_STATUS", tmp_path / "status")
    monkeypatch.setattr(probes, "LISTS_STAMPS", (tmp_path,))
    first = probes.pending_updates(None, NOW)
    assert (first["due"], first["security"], first["security_since"]) == (3, 2, NOW)
    second = probes.pending_updates(first, NOW + 300)
    assert second == first and len(asked) == 1
    (tmp_path / "status").write_text("changed")
    third = probes.pending_updates(second, NOW + 600)
    assert len(asked) == 2 and third["security_since"] == NOW
    monkeypatch.setattr(probes, "run_command", lambda _: "")
    (tmp_path / "status").write_text("changed again, later")
    (tmp_path / "more").touch()
    assert probes.pending_updates(third, NOW + 900)["security_since"] is None


def test_certificates_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cloud.example.org"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", "/dev/null", "-subj", "/CN=cloud.example.org", "-days", "10",
         "-out", str(folder / "fullchain.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setattr(probes, "TLS", tmp_path)
    [found] = probes.certificates()
    assert (found["name"], found["temporary"]) == ("cloud.example.org", True)
    (folder / "fullchain.pem").write_text("no certificate")
    assert probes.try_probe(probes.certificates) is None


@pytest.fixture
def states_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the file with the states of the services, which does not exist yet."""
    sources = tmp_path / "health.d"
    sources.mkdir()
    monkeypatch.setattr(probes, "SOURCES", sources)
    assert probes.service_response_states() == {}
    path = tmp_path / "state.json"
    (sources / "a.json").write_text(json.dumps({"service_states": str(path)}))
    assert probes.service_response_states() == {}
    return path


@pytest.mark.parametrize(
    "state",
    [
        "", "[]", "{}", '{"services": []}', '{"services": {"a": 1}}',
        '{"services": {"a": {"responds": true, "since": "x"}}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_damaged_states_of_services_are_unknown(state: str, states_file: Path) -> None:
    states_file.write_text(state)
    assert probes.try_probe(probes.service_response_states) is None


def test_link_in_place_of_the_states_is_not_followed(states_file: Path) -> None:
    states_file.symlink_to("/etc/shadow")
    assert probes.try_probe(probes.service_response_states) is None


def test_names_of_services_are_checked(states_file: Path) -> None:
    state = {name: {"responds": False, "since": 5} for name in ("cloud", "x\x1b[2J", "A B", "")}
    states_file.write_text(json.dumps({"services": state}))
    assert probes.service_response_states() == {"cloud": {"responds": False, "since": 5}}


@pytest.fixture
def server() -> Iterator[Any]:
    class Handler(BaseHTTPRequestHandler):
        answer, paths = b"", list[str]()

        def do_GET(self) -> None:
            self.paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.answer)

        def log_message(self, *_: Any) -> None: ...

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    Handler.paths = []
    yield Handler, running.server_address
    running.shutdown()


BRIDGE = {"path": "/colibri/stats", "meetings": r'"conferences": ?(\d{1,6})\b',
          "people": r'"participants": ?(\d{1,6})\b'}  # fmt: skip
BUSY = b'{"conferences": 2, "total_participants": 99, "participants": 14}'


@pytest.fixture
def meeting_server(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that answers, and returns what the node counts."""
    handler, address = server
    monkeypatch.setattr(probes, "SOURCES", tmp_path)

    def ask(answer: bytes, described: dict[str, str]) -> Any:
        handler.answer = answer
        (tmp_path / "a.json").write_text(json.dumps(described | {"port": address[1]}))
        return probes.meetings()

    return ask


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (BUSY, {"meetings": 2, "people": 14}),
        (b'{"conferences":0,"participants":0}', {"meetings": 0, "people": 0}),
        (b'{"conferences": -1, "participants": -1}', None),
        (b'{"conferences": 12345678, "participants": 12345678}', None),
        (b'{"conferences": "2", "participants": true}', None),
        (b"<html>", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
def test_meetings_of_a_server_with_counts(
    answer: bytes, expected: Any, meeting_server: Any
) -> None:
    assert meeting_server(answer, BRIDGE) == expected


def test_meetings_of_a_server_with_a_list(meeting_server: Any, tmp_path: Path) -> None:
    listed = (
        b"<meeting><participantCount>3</participantCount></meeting>"
        b"<meeting><participantCount>0</participantCount></meeting>"
    )
    described = {"path": "/meetings", "people": r"<participantCount>(\d{1,6})<"}
    assert meeting_server(listed, described) == {"meetings": 1, "people": 3}
    (tmp_path / "c.json").write_text('{"port": 1, "path": "/", "people": "x"}')
    assert probes.meetings() == {"meetings": 1, "people": 3}
    (tmp_path / "a.json").unlink()
    assert probes.meetings() is None


class Program:
    """The program with a certificate that expires soon, and a mail server."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[Any] = []
        self.accepts, self.looks, self.folder = True, 0, folder
        self.home, self.in_memory = folder / "home", folder / "run"
        for path in (self.home, self.in_memory):
            path.mkdir()
        monkeypatch.setattr(main, "send_mail", self.send)
        monkeypatch.setattr(main, "LOCK", folder / "lock")
        uptimes = itertools.count(30.0 * DAY, 300)
        found: dict[str, Any] = {
            "certificates": lambda: [certificate(10)], "failed_units": list,
            "service_response_states": dict, "meetings": lambda: None, "reboot_since": lambda: None,
            "seconds_since_systemd_started": lambda: next(uptimes),
            "pending_updates": lambda *_: updates(lists=NOW),
        }  # fmt: skip
        for name, probe in found.items():
            monkeypatch.setattr(probes, name, probe)
        monkeypatch.setattr(disks, "measure_disks", lambda *_: [disk()])

    def send(self, message: Any) -> bool:
        if self.accepts:
            self.sent.append(message)
        return self.accepts

    def run(self, looks: int, *, mail: bool = True) -> dict[str, Any]:
        """Run as often, and return the last state."""
        settings = self.folder / "health.json"
        settings.write_text(json.dumps({"region": "andes", "node": "bog1", "mail": mail}))
        for _ in range(looks):
            now = NOW + 300 * self.looks
            self.looks += 1
            assert main.main(settings, self.home, self.in_memory, now) == 0
        newest = self.in_memory / "state.json"
        state = newest if newest.exists() else self.home / "state.json"
        found: dict[str, Any] = json.loads(state.read_text())
        assert found["measured"] == now
        return found


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


def test_program_mails_once_where_mails_are_on(program: Program) -> None:
    assert program.run(10, mail=False)["mails"] == {"on": False, "last": None, "failed": False}
    assert program.sent == []
    state = program.run(10)
    assert state["mails"] == {"on": True, "last": NOW + 3000, "failed": False}
    assert len(program.sent) == 1 and "expires in" in program.sent[0]["Subject"]
    assert not list(program.home.glob(".*.new"))


def test_program_sends_a_refused_mail_later(program: Program) -> None:
    program.accepts = False
    assert program.run(10)["mails"] == {"on": True, "last": None, "failed": True}
    program.accepts = True
    assert program.run(10)["mails"]["failed"] is False
    assert len(program.sent) == 1


def test_full_disk_is_mailed_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.run(1)
    real = main._replace_json_file

    def replace(path: Path, content: Any) -> None:
        if path.parent == program.home:
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(main, "_replace_json_file", replace)
    program.run(20)
    assert len(program.sent) == 1
    monkeypatch.setattr(main, "_replace_json_file", real)
    program.run(20)
    assert len(program.sent) == 1 and list(program.in_memory.iterdir()) == []


def test_mail_that_cannot_be_remembered_is_not_sent(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.run(1)
    monkeypatch.setattr(
        main, "_replace_json_file", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(OSError, match="full"):
        program.run(1)
    assert program.sent == []

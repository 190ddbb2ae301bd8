"""What the benches compute: figures, results, the slow connection. No times are tested."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import lab, measure, peers, results, run
from benchmarks.benches import (
    BENCHES,
    backup,
    backup_data,
    changed,
    cuts,
    first,
    regions,
    simulated,
)
from benchmarks.measure import BenchError, Command, Sample
from benchmarks.proxy import Proxy

from chautari.region.load import load_region
from chautari.report.jsonreport import report_object
from chautari.report.model import NodeReport, RegionReport, RoleReport


def test_figure_has_medians_and_their_ratio() -> None:
    found = measure.figure("x", [1.0, 9.0, 2.0], [40.0, 50.0, 45.0], goal=measure.times_faster(20))
    assert (found.ours, found.peer, found.limit, found.ratio) == (2.0, 45.0, 2.25, 0.04444)
    assert found.met is True
    assert found.rounds == (3, 3)


@pytest.mark.parametrize(
    ("goal", "limit", "met"),
    [
        (measure.at_most(1.9, "s"), 1.9, False),
        (measure.at_most(2, "s"), 2, True),
        (measure.at_most_times(2), 2.0, True),
        (measure.at_most_times(1.5), 1.5, False),
        (measure.times_faster(2), 0.5, False),
        (measure.FIGURE_ONLY, None, None),
    ],
)
def test_goal_has_a_limit_and_a_verdict(
    goal: measure.Goal, limit: float | None, met: bool | None
) -> None:
    found = measure.figure("x", [2.0], [1.0], goal=goal)
    assert (found.limit, found.met) == (limit, met)


def test_missing_peer_is_null_with_a_reason() -> None:
    found = measure.figure("x", [2.0], goal=measure.times_faster(5), reason="not installed")
    assert (found.peer, found.limit, found.ratio, found.met) == (None, None, None, None)
    assert "peer: null" in results.line(found)
    assert "not installed" in results.line(found)


def test_results_of_other_benches_stay() -> None:
    old = {"figures": [{"bench": "a", "name": "old"}, {"bench": "b", "name": "kept"}]}
    new = results.merged(old, {"a": [measure.figure("new", [1.0])]}, {"cores": 2})
    assert [item["name"] for item in new["figures"]] == ["kept", "new"]
    assert new["machine"] == {"cores": 2}


def test_results_file_holds_every_field(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("damaged")
    results.write(file, {"a": [measure.figure("x", [1.0], [2.0])]}, results.machine())
    [item] = json.loads(file.read_text())["figures"]
    expected = {"name", "ours", "peer", "limit", "unit", "ratio", "goal", "met"}
    assert expected <= set(item)
    assert json.loads(file.read_text())["machine"]["cores"]


def test_measure_includes_the_children_of_a_command() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    sample = measure.once(Command((sys.executable, "-c", child)))
    assert sample.cpu >= 0.2
    assert sample.memory > 1


def test_missing_program_fails_only_its_own_bench() -> None:
    with pytest.raises(BenchError, match="chautari-nowhere: No such file"):
        measure.once(Command(("chautari-nowhere",)))


def test_failed_command_is_not_measured() -> None:
    with pytest.raises(BenchError, match="ended with 3"):
        measure.once(Command((sys.executable, "-c", "raise SystemExit(3)")))
    measure.once(Command((sys.executable, "-c", "raise SystemExit(3)"), codes=(0, 3)))


def test_contestants_alternate_and_slow_ones_run_less_often() -> None:
    order: list[str] = []

    def one(name: str, seconds: float) -> measure.Contestant:
        def measured() -> Sample:
            order.append(name)
            return Sample(seconds)

        return measured

    found = measure.interleaved(
        {"fast": one("fast", 1), "slow": one("slow", measure.SLOW_SECONDS + 1)}, 4, lambda _: None
    )
    assert order == ["fast", "slow", "fast", "fast", "fast", "slow"]
    assert [len(samples) for samples in found.values()] == [4, 2]


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that greets and gives back what it is sent."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"hello\n")
        try:
            while piece := connection.recv(65536):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def received(link: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := link.recv(65536)):
        found += piece
    return found


def test_proxy_delays_by_its_round_trip(echo: int) -> None:
    with Proxy("127.0.0.1", echo, 0.1) as proxy:
        began = time.monotonic()
        link = socket.create_connection(("127.0.0.1", proxy.port))
        assert received(link, 6) == b"hello\n"
        assert time.monotonic() - began >= 0.2, "the far side greets after two round trips"
        began = time.monotonic()
        link.sendall(b"x")
        assert received(link, 1) == b"x"
        assert time.monotonic() - began >= 0.1
        link.close()
    assert proxy.connections == 1


def test_proxy_passes_large_data_and_the_end_of_a_stream(echo: int) -> None:
    data = os.urandom(3_000_000)
    with Proxy("127.0.0.1", echo, 0.02) as proxy:
        link = socket.create_connection(("127.0.0.1", proxy.port))
        received(link, 6)
        sender = threading.Thread(target=lambda: (link.sendall(data), link.shutdown(1)))
        sender.start()
        assert received(link, len(data)) == data
        assert link.recv(1) == b"", "the far side's end arrives"
        sender.join()
        link.close()


def test_proxy_cuts_at_its_times_and_serves_again(echo: int) -> None:
    with Proxy("127.0.0.1", echo, 0.0, cuts=(0.1,)) as proxy:
        link = socket.create_connection(("127.0.0.1", proxy.port))
        received(link, 6)
        link.settimeout(5)
        with pytest.raises(ConnectionResetError):
            link.recv(1)
            raise ConnectionResetError  # an orderly end is a cut as well
        again = socket.create_connection(("127.0.0.1", proxy.port))
        assert received(again, 6) == b"hello\n"
        proxy.cut()
        again.close()
    assert proxy.broken >= 1


def test_wrapper_redirects_a_node_address_to_its_port(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "real").chmod(0o755)
    script = lab.wrapper("ssh", {"192.0.2.9": 4022}, "ssh").replace(
        lab.shutil.which("ssh") or "/usr/bin/ssh", str(tmp_path / "real")
    )

    def seen(*arguments: str) -> list[str]:
        argv = ["sh", "-c", script, "ssh", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()

    assert seen("-p", "22", "192.0.2.9", "echo 192.0.2.9  x") == [
        "-p", "4022", "-o", "HostKeyAlias=192.0.2.9", "-p", "22", "127.0.0.1", "echo 192.0.2.9  x",
    ]  # fmt: skip
    assert seen("-T", "192.0.2.1", "a b") == ["-T", "192.0.2.1", "a b"]


def test_probe_script_quotes_its_arguments() -> None:
    script = peers.asking(peers.Managed(("/etc/a b",), ("nginx",), ("ssh.service",)))
    assert "'/etc/a b'" in script
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_floor_script_is_valid_shell() -> None:
    script = first.floor(["nginx"], ["http://mirror.example.org/a b.tar.gz"])
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_link_cuts_happen_at_the_same_times_in_each_run() -> None:
    assert cuts.moments(1) == cuts.moments(1) != cuts.moments(2)
    assert sorted(cuts.moments(1)) == cuts.moments(1)


def test_command_is_repeated_until_it_succeeds(tmp_path: Path) -> None:
    count = f"echo x >> {tmp_path}/given; test $(wc -l < {tmp_path}/given) = "
    _, times = cuts._until_done(Command(("sh", "-c", f"{count} 3")))
    assert times == 3
    with pytest.raises(BenchError, match="ended with 1"):
        cuts._until_done(Command(("sh", "-c", f"{count} 1")))


def test_link_cut_lies_within_a_short_run() -> None:
    found = cuts.moments(1, between=cuts.NOTHING)
    assert found[0] <= cuts.NOTHING[1] and len(found) == cuts.CUTS


@pytest.mark.parametrize(("ran", "wrong"), [((), 1), (("nextcloud",), 0), (("php",), 2)])
def test_goal_compares_the_exact_roles(ran: tuple[str, ...], wrong: int) -> None:
    """A round without the expected roles fails the bench, also when other rounds succeed."""
    found = changed.verdict([("nextcloud",), ran, ("nextcloud",)])
    assert (found.ours, found.met) == (wrong, wrong == 0)


def test_inventory_is_rendered_again_after_a_change() -> None:
    bench = lab.Lab()
    bench.region_changed()
    bench.inventory = Path("old")
    bench.region_changed()
    assert "inventory" not in vars(bench)
    bench.__exit__(None, None, None)


def test_roles_that_did_not_run_are_not_counted() -> None:
    roles = [
        RoleReport("base", up_to_date=True),
        RoleReport("nextcloud", changed=1),
        RoleReport("setup"),
    ]
    node = NodeReport("cloud", "203.0.113.11", "converged", roles=roles)
    report = report_object(RegionReport("bench", "bench.example.org", "", "deploy", nodes=[node]))
    assert changed.roles_that_ran(report) == ("nextcloud",)


def test_regions_of_the_benches_are_valid(tmp_path: Path) -> None:
    regions.make(tmp_path, 2)
    assert len(load_region(tmp_path / "r1" / "region.yml").region.nodes) == regions.NODES
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "region.yml").write_text(simulated.region(1000, regions._KEY))
    assert len(load_region(tmp_path / "many" / "region.yml").region.nodes) == 1000
    bench = lab.Lab()
    bench.network = "203.0.113.0/26"
    assert load_region(bench.region).region.nodes["cloud"].address == bench.addresses["cloud"]
    bench.__exit__(None, None, None)
    assert not bench.folder.exists()


def test_list_names_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--list"]) == 0
    output = capsys.readouterr().out
    assert all(bench.name in output for bench in BENCHES)


def test_data_of_the_backup_bench_changes_by_one_percent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_data, "FOLDER", tmp_path / "bench" / "files")
    monkeypatch.setattr(backup_data, "SIZES", (1 << 16, 1 << 18, 1 << 22))
    backup_data.make(48 << 20)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sum(map(len, files.values())) == 48 << 20
    backup_data.change(1)
    pieces = [
        (before[start : start + (1 << 16)], path.read_bytes()[start : start + (1 << 16)])
        for path, before in files.items()
        for start in range(0, len(before), 1 << 16)
    ]
    changed = sum(before != now for before, now in pieces)
    assert 0.005 < changed / len(pieces) <= 0.015


def test_bare_borg_of_the_backup_bench_uses_the_options_of_the_node() -> None:
    script = backup.BARE_PROGRAM.read_text()
    assert "buzhash,16,20,18,4095" in script and "auto,zstd,3" in script


def test_script_is_measured_without_the_shell_around_it(tmp_path: Path) -> None:
    burn = "python3 -c 'import time; b = bytearray(64 << 20)\nwhile time.process_time() < .3: pass'"
    sample = backup.measured(Command(("sh", "-c", backup.measuring(f"echo noise; {burn}"))))
    assert 0.3 <= sample.cpu < 3 and sample.seconds > 0.25 and 64 < sample.memory < 200
    with pytest.raises(BenchError):
        backup.measured(Command(("sh", "-c", backup.measuring("exit 3"))))

"""The command lines that reach a node."""

import base64
import io
import json
import shlex
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, path_item, record, write_file, write_receipt
from region_samples import POLLS, REGION, SANDBOX, load_sample_region

from chautari.node import optional_facts
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.ssh import runner_client
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv, ssh_targets, terminal_ssh_argv

TARGET = SSHTarget("bog1", "203.0.113.10", 2222, "debian", Path("/in ventories/known_hosts"))
OPTIONS = (
    "-o", "BatchMode=yes",
    "-o", "StrictHostKeyChecking=yes",
    "-o", 'UserKnownHostsFile="/in ventories/known_hosts"',
    "-o", "GlobalKnownHostsFile=none",
    "-o", "UpdateHostKeys=no",
    "-o", "VerifyHostKeyDNS=no",
    "-o", "KnownHostsCommand=none",
    "-o", "ConnectTimeout=20",
    "-o", "ServerAliveInterval=15",
    "-o", "ServerAliveCountMax=4",
    "-o", "LogLevel=ERROR",
    "-o", "ForwardAgent=no",
    "-o", "ForwardX11=no",
    "-o", "Tunnel=no",
    "-o", "ClearAllForwardings=yes",
    "-o", "ControlMaster=no",
    "-o", "ControlPath=none",
    "-o", "PermitLocalCommand=no",
    "-o", "RemoteCommand=none",
)  # fmt: skip


def test_ssh_is_called_with_exactly_these_arguments() -> None:
    assert ssh_argv(TARGET, "true") == (
        "ssh", "-T", "-k", "-p", "2222", "-l", "debian", *OPTIONS, "203.0.113.10", "true",
    )  # fmt: skip


def test_terminal_has_the_same_options_and_may_ask_for_a_passphrase() -> None:
    options = ("-o", "BatchMode=no", *OPTIONS[2:], "-o", "PreferredAuthentications=publickey")
    start = ("ssh", "-t", "-k", "-p", "2222", "-l", "debian", *options, "203.0.113.10")
    assert terminal_ssh_argv(TARGET) == start
    assert terminal_ssh_argv(TARGET, "occ") == (*start, "occ")


def test_ssh_with_a_key_offers_no_other() -> None:
    target = SSHTarget("a", "2001:db8::1", 22, "root", TARGET.known_hosts, Path("/keys/operator"))
    assert ssh_argv(target, "true") == (
        "ssh", "-T", "-k", "-p", "22", "-l", "root", *OPTIONS,
        "-i", "/keys/operator", "-o", "IdentitiesOnly=yes", "2001:db8::1", "true",
    )  # fmt: skip


def test_configuration_of_the_person_weakens_nothing(tmp_path: Path) -> None:
    """`ssh -G` prints what counts in the end; options of the command line come first."""
    configuration = tmp_path / "config"
    configuration.write_text(
        "Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  LocalForward 8080 localhost:80\n"
        "  ControlMaster auto\n  ControlPath /tmp/%C\n  PermitLocalCommand yes\n"
        "  LocalCommand touch /tmp/x\n  StrictHostKeyChecking no\n  Tunnel yes\n"
        "  KnownHostsCommand /bin/keys\n  VerifyHostKeyDNS yes\n  RemoteCommand touch /tmp/x\n"
        "  GSSAPIDelegateCredentials yes\n"
    )
    *options, address, _ = ssh_argv(TARGET, "true")[1:]
    done = subprocess.run(
        ["ssh", "-F", str(configuration), "-G", *options, address],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    settings = done.stdout.splitlines()
    assert {
        "forwardagent no", "forwardx11 no", "clearallforwardings yes", "controlmaster false",
        "permitlocalcommand no", "stricthostkeychecking true", "verifyhostkeydns false",
        "gssapidelegatecredentials no", "tunnel false",
    } <= set(settings)  # fmt: skip
    absent = ("localforward", "controlpath", "knownhostscommand", "remotecommand")
    assert not [line for line in settings if line.startswith(absent)]


def test_ssh_accepts_every_option() -> None:
    *options, address, _ = ssh_argv(TARGET, "true")[1:]
    done = subprocess.run(
        ["ssh", "-G", *options, address], capture_output=True, text=True, check=True
    )
    settings = done.stdout.splitlines()
    assert {"port 2222", "user debian", "batchmode yes", "serveralivecountmax 4"} <= set(settings)
    assert 'userknownhostsfile "/in ventories/known_hosts"' in settings or (
        "userknownhostsfile /in ventories/known_hosts" in settings
    )


@pytest.mark.parametrize(("user", "command"), [("root", "true"), ("debian", "sudo -n true")])
def test_only_other_accounts_need_sudo(user: str, command: str) -> None:
    assert command_as_root(SSHTarget("a", "203.0.113.1", 22, user, Path("k")), "true") == command


def test_targets_come_from_the_region(tmp_path: Path) -> None:
    found = load_sample_region(tmp_path)
    known_hosts = (tmp_path / "andes" / "known_hosts").resolve()
    targets = ssh_targets(found, PUBLIC_INTERNET, ("med1", "bog1"))
    assert [target._replace(memory=None) for target in targets] == [
        SSHTarget("med1", "203.0.113.11", 22, "root", known_hosts, configured_user="root"),
        SSHTarget("bog1", "203.0.113.10", 2222, "debian", known_hosts, configured_user="debian"),
    ]


def test_key_of_the_sandbox_is_used_in_a_sandbox(tmp_path: Path) -> None:
    found = ssh_targets(load_sample_region(tmp_path), Endpoints(ssh_key=Path("/k")), ("bog1",))
    assert found[0].key == Path("/k")
    assert found[0].sandbox == ""
    assert (
        ssh_targets(load_sample_region(tmp_path, POLLS), SANDBOX, ("bog1",))[0].sandbox == "andes"
    )
    assert SANDBOX.ssh_key is None
    assert "bog1" in REGION


def test_remote_command_has_a_fixed_form() -> None:
    words = shlex.split(runner_client.runner_command_line({"run": "r", "action": "status"}))
    assert words[:4] == ["python3", "-I", "-S", "-c"]
    assert len(words) == 6
    assert json.loads(base64.b64decode(words[5])) == {"action": "status", "run": "r"}


def test_remote_command_is_plain_words_for_any_shell() -> None:
    hostile: dict[str, Any] = {"operator": "$(id) `id` \"'; rm -rf / #", "run": "r"}
    command = runner_client.runner_command_line(hostile)
    assert not set("$`\\\n!") & set(command)
    done = subprocess.run(
        ["sh", "-c", f"set -- {command}; printf '%s\\n' \"$#\""],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "6\n"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Sources that travel in place of the node's own."""
    found = {"chautari": "", "chautari.node": ""}
    monkeypatch.setattr(runner_client, "runner_module_sources", lambda: found)
    runner_client._packed_modules.cache_clear()
    yield found
    runner_client._packed_modules.cache_clear()


def test_remote_command_runs_the_source_it_is_fed(modules: dict[str, str]) -> None:
    modules["chautari.node.main"] = (
        "from chautari.node import other\n"
        "def main(a, i): print(a['action'], i.read(), other.NAME); return 7\n"
    )
    modules["chautari.node.other"] = "NAME = __name__\n"
    command = runner_client.runner_command_line({"action": "echo"})
    fed = runner_client.runner_stdin(b"payload")
    done = subprocess.run(["sh", "-c", command], input=fed, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (7, b"\necho b'payload' chautari.node.other\n")


def test_error_in_the_source_names_its_module(modules: dict[str, str]) -> None:
    modules["chautari.node.main"] = "def main(a, i):\n    raise ValueError('no luck')\n"
    command, fed = (
        runner_client.runner_command_line({"action": "echo"}),
        runner_client.runner_stdin(),
    )
    done = subprocess.run(["sh", "-c", command], input=fed, capture_output=True, check=False)
    assert done.returncode == 1
    assert b'File "chautari.node.main", line 2, in main' in done.stderr


def test_survey_imports_only_modules_that_are_sent(tmp_path: Path) -> None:
    """Run the survey here as on a node, with receipts that need every query."""
    given = inputs(facts=sorted(optional_facts.FACTS))
    items: list[dict[str, Any]] = [
        path_item(write_file(tmp_path / "x")),
        {"kind": "package", "name": "dpkg"},
        {"kind": "unit", "name": "chautari-nowhere.service"},
        {"kind": "account", "name": "root"},
        {"kind": "group", "name": "root"},
        {"kind": "probe", "name": "p", "script": "echo x"},
    ]
    write_receipt(tmp_path, given, record(*items))
    write_file(tmp_path / "x", "two\n")
    fed = runner_client.runner_stdin(b"", "survey")
    code = (
        "import json, sys, zlib, io; i = io.BytesIO(sys.stdin.buffer.read());"
        "m = json.loads(zlib.decompress(i.read(int(i.readline()))));"
        "exec(m[''].split('from chautari')[0]);"
        "from chautari.node import survey; from pathlib import Path;"
        "print(json.dumps(survey.survey_node(Path(sys.argv[1]), json.loads(sys.argv[2]), None)))"
    )
    argv = ["/usr/bin/python3", "-I", "-S", "-c", code, str(tmp_path), json.dumps([given])]
    done = subprocess.run(argv, input=fed, capture_output=True, check=False)
    assert done.stderr == b""
    [reason] = json.loads(done.stdout)["reasons"]["web"]
    assert (reason["code"], reason["data"]["path"]) == ("path_changed", str(tmp_path / "x"))
    assert len(fed) < 10 * 1460  # what TCP sends before it waits for an answer


def test_runner_is_sent_before_the_payload() -> None:
    stream = io.BytesIO(runner_client.runner_stdin(b"bundle"))
    sources = json.loads(zlib.decompress(stream.read(int(stream.readline()))))
    assert "def main(" in sources["chautari.node.runner"]
    assert stream.read() == b"bundle"


def test_every_module_that_the_runner_imports_is_sent() -> None:
    """Without any installed package: only the sources that were sent can be found."""
    sent = runner_client.runner_module_sources()
    assert {
        "chautari.node.runner",
        "chautari.node.drift",
        "chautari.node.download_estimate",
    } <= set(sent)
    code = (
        "import json, sys, zlib, io; i = io.BytesIO(sys.stdin.buffer.read());"
        "m = json.loads(zlib.decompress(i.read(int(i.readline()))));"
        "exec(m[''].split('from chautari')[0]);"
        "[__import__(n) for n in m if n]; print(len(m))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], input=runner_client.runner_stdin(),
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{len(sent) + 1}\n".encode(), b"")


def test_run_ids_sort_by_time_and_differ() -> None:
    from chautari.node.runs import RUN_ID

    made = {runner_client.new_run_id() for _ in range(50)}
    assert len(made) == 50
    assert all(RUN_ID.fullmatch(name) for name in made)

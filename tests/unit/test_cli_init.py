"""`deploy init`: options, questions on a terminal, refusals and JSON."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from region_samples import ROOT, key_pair

from chautari import __version__
from chautari.cli import init, main
from chautari.region_setup.toolkit_source import ToolkitSource
from chautari.secrets import merge_driver

WHEEL = ToolkitSource(f"./wheels/chautari-{__version__}-py3-none-any.whl", is_wheel=True)
OPTIONS = (
    "init", "andes", "--domain", "andes.example.org", "--contact", "ops@andes.example.org",
    "--node", "bog1=203.0.113.10", "--service", "nextcloud", "--relay", "smtp.example.org",
    "--relay-user", "andes", "--mail-from", "cloud@andes.example.org", "--no-look", "--yes",
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, in which a person with a key works."""
    home, work = tmp_path / "home", tmp_path / "work"
    (home / ".ssh").mkdir(parents=True)
    work.mkdir()
    (home / ".ssh" / "id_ed25519.pub").write_text(key_pair(home, "ana"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("CHAUTARI_INVENTORIES", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(init, "toolkit_source", lambda: WHEEL)
    monkeypatch.chdir(work)
    return work


def run(*arguments: str, without: str = "") -> int:
    given = list(OPTIONS)
    if without:
        at = given.index(without)
        del given[at : at + 2]
    return main.run([*given, *arguments])


def written(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_git_merges_the_secrets_of_a_new_region_in_a_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True)
    assert run() == 0
    assert merge_driver.is_wanted(folder) and merge_driver.is_installed(folder)
    assert not merge_driver.add_attributes(folder)


def test_options_make_a_valid_region_and_its_repository(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert written(folder) == {
        "inventories/andes/region.yml", ".gitignore", ".gitattributes", "README.md",
        ".github/workflows/validate.yml",
    }  # fmt: skip
    out = capsys.readouterr().out
    assert out.endswith(
        "Next steps:\n  1. deploy secrets set andes mail_relay_password\n"
        "  2. deploy dns andes --wait\n  3. deploy plan andes\n"
    )
    assert f"The CI job needs {WHEEL.requirement}. " in out
    assert main.run(["validate", "andes"]) == 0
    assert main.run(["dns", "andes", "--format", "zone"]) == 0
    assert "inventories/andes/region.yml" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("forge", "file"),
    [("github", ".github/workflows/validate.yml"), ("gitlab", ".gitlab-ci.yml"),
     ("forgejo", ".forgejo/workflows/validate.yml")],
)  # fmt: skip
def test_forge_gets_its_own_file(forge: str, file: str, folder: Path) -> None:
    assert run("--ci", forge) == 0
    content = (folder / file).read_text()
    job = str(yaml.safe_load(content))
    assert "deploy validate" in job and "$" not in content
    # No index has a release, and another project could take the name there.
    assert "chautari==" not in job
    assert f'pip install "{WHEEL.requirement}"' in job
    assert "# Chautari, run `make wheels`, and copy" in content


def test_job_installs_the_revision_of_a_public_clone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requirement = f"chautari @ git+https://git.example.org/chautari.git@{'0' * 40}"
    monkeypatch.setattr(init, "toolkit_source", lambda: ToolkitSource(requirement, False))
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out)["toolkit"] == requirement
    job = yaml.safe_load((folder / ".github/workflows/validate.yml").read_text())
    commands = [step.get("run") for step in job["jobs"]["validate"]["steps"]]
    assert commands[-2:] == [f'python -m pip install "{requirement}"', "deploy validate"]


def test_new_region_says_for_which_version_it_was_written(folder: Path) -> None:
    assert run() == 0
    text = (folder / "inventories/andes/region.yml").read_text()
    assert f"\ntoolkit: {__version__}\n" in text
    assert main.run(["migrate", "andes"]) == 0
    assert (folder / "inventories/andes/region.yml").read_text() == text


def test_no_forge_gets_no_file(folder: Path) -> None:
    assert run("--ci", "none") == 0
    assert not [name for name in written(folder) if name.endswith(("validate.yml", "-ci.yml"))]


def test_existing_region_is_refused_and_existing_files_are_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "README.md").write_text("mine")
    assert run() == 0
    assert (folder / "README.md").read_text() == "mine"
    assert "Kept README.md" in capsys.readouterr().out
    before = (folder / "inventories/andes/region.yml").read_text()
    assert run() == 2
    assert "already exists; nothing was written" in capsys.readouterr().err
    assert (folder / "inventories/andes/region.yml").read_text() == before


def test_files_go_where_the_other_commands_look(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run("--folder", str(tmp_path / "repo")) == 0
    assert (tmp_path / "repo" / "inventories" / "andes" / "region.yml").is_file()
    assert f"1. cd {tmp_path / 'repo'} && deploy secrets set" in capsys.readouterr().out
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path / "regions"))
    assert run() == 0
    assert (tmp_path / "regions" / "andes" / "region.yml").is_file()


def test_clone_of_the_toolkit_gets_only_the_region(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chautari.cli.init.content_root", lambda: folder)
    assert run() == 0
    assert written(folder) == {"inventories/andes/region.yml"}


def test_missing_options_are_named_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["init", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "NAME, --domain DOMAIN, --contact MAIL, --node NAME=ADDRESS" in error["message"]
    assert run(without="--relay-user") == 2
    assert "the settings of the mail relay are incomplete" in capsys.readouterr().err
    assert written(folder) == set()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--node", "bog1=203.0.113.11"], "bog1 is already the name of another node"),
        (["--node", "med1=203.0.113.10"], "203.0.113.10 is already the address of bog1"),
        (["--node", "all=203.0.113.11"], "'all' is reserved"),
        (["--node", "med1=203.0.113.11,os=debian-11"], "'debian-11' is not a valid value"),
        (["--service", "nextclod"], "did you mean nextcloud?"),
        (["--service", "jitsi@bog9"], "no machine is called bog9"),
        (["--operator", "root"], "root is reserved for a system account"),
        (["--country", "XX"], "not an ISO 3166-1 country code"),
        (["--timezone", "Bogota"], "write America/Bogota"),
        (["--language", "spanish"], "is not a language code"),
        (["--key", "/no/such/file"], "/no/such/file"),
    ],
)
def test_wrong_values_are_refused_with_a_hint(
    arguments: list[str], text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--json") == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert json.loads(captured.out)["ok"] is False
    assert written(folder) == set()


def test_json_has_the_proposal_with_reasons(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--json", "--service", "bigbluebutton", "--country", "CO") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["placements"] == [
        {"service": "nextcloud", "node": "bog1", "code": "only_node", "data": {},
         "text": "Runs on bog1, the only node."}
    ]  # fmt: skip
    assert found["postponed"][0]["service"] == "bigbluebutton"
    assert found["machines"][0]["reached"] is False
    assert found["next_steps"][2] == "deploy plan andes"
    text = (folder / "inventories/andes/region.yml").read_text()
    assert "timezone: America/Bogota" in text and "BigBlueButton does not run" in text


def test_no_key_is_said_with_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home/.ssh/id_ed25519.pub").write_text("ecdsa-sha2-nistp256 AAAA x\n")
    assert run() == 2
    text = capsys.readouterr().err
    assert "cannot decrypt the region's secrets" in text and "ssh-keygen -t ed25519" in text


class Terminal:
    """A person at a terminal who answers the questions of `deploy init`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.master, child = pty.openpty()
        environment = dict(os.environ, PYTHONPATH=str(ROOT / "tool"), TERM="dumb")
        # A shell that runs the tests in the background lets all their processes ignore Ctrl-C.
        command = ("env", "--default-signal=INT", sys.executable, "-m", "chautari", "init")
        self.process = subprocess.Popen(
            [*command, *arguments], cwd=folder, env=environment,
            stdin=child, stdout=child, stderr=child, start_new_session=True,
        )  # fmt: skip
        os.close(child)
        self.text = ""

    def wait_for(self, question: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        start = len(self.text)
        while question not in self.text[start:]:
            ready = select.select([self.master], [], [], 0.1)[0]
            try:
                part = os.read(self.master, 65536) if ready else b""
            except OSError:
                part = b""
            self.text += part.decode()
            assert time.monotonic() < end, f"no {question!r} in: {self.text}"

    def interrupt(self) -> None:
        """Press Ctrl-C as a person does: again, where Python missed it just before it reads."""
        for _ in range(20):
            os.killpg(self.process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)
                return

    def answer(self, question: str, text: str) -> None:
        self.wait_for(question)
        os.write(self.master, f"{text}\n".encode())


QUESTIONS: tuple[tuple[str, str], ...] = (
    ("Name of the region", "Andes"), ("Name of the region", "andes"),
    ("Domain", "andes.example.org"), ("Mail address", "ops@andes.example.org"),
    ("Country", "np"), ("Languages", "ne hi en"), ("slow connections", ""),
    ("first machine", "203.0.113.10"), ("Name of this machine", "ktm1"),
    ("next machine", "203.0.113.10"), ("next machine", "203.0.113.11"),
    ("Name of this machine", ""),
    ("next machine", ""), ("Your name", "ana"), ("Services", "nextcloud portl"),
    ("Services", "nextcloud, portal"), ("Mail relay", "smtp.example.org"),
    ("Account", "andes"), ("Sender", ""), ("Is this right", "n"),
    ("Node for nextcloud", "node2"), ("Node for portal", "ktm1"), ("Is this right", "y"),
)  # fmt: skip


def answer_all(terminal: Terminal, questions: Any) -> None:
    for question, text in questions:
        terminal.answer(question, text)


def test_questions_lead_to_a_valid_region(folder: Path) -> None:
    terminal = Terminal(folder, "--no-look")
    answer_all(terminal, QUESTIONS)
    terminal.answer("Write these files?", "")
    terminal.wait_for("3. deploy plan andes")
    assert terminal.process.wait(10) == 0
    text = (folder / "inventories/andes/region.yml").read_text()
    found = yaml.safe_load(text)
    assert found["nodes"]["node2"]["services"] == ["nextcloud"]
    assert (found["timezone"], found["bandwidth"]) == ("Asia/Kathmandu", "low")
    assert found["languages"] == ["ne", "hi", "en"]
    assert "did you mean portal?" in terminal.text


@pytest.mark.parametrize("answered", [0, 7, len(QUESTIONS)])
def test_interruption_leaves_nothing(answered: int, folder: Path) -> None:
    terminal = Terminal(folder, "--no-look")
    answer_all(terminal, QUESTIONS[:answered])
    terminal.wait_for(":" if answered < len(QUESTIONS) else "Write these files?")
    terminal.interrupt()
    assert terminal.process.wait(10) == 130
    assert list(folder.iterdir()) == []
    terminal.wait_for("Nothing was written.")

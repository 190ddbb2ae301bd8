"""The command: exit codes, JSON output, texts, completion."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_samples import inventories, report
from region_samples import FIXTURES, REGION, ROOT, key_pair, region_file

from chautari.cli import main, reporting
from chautari.deploy import drift, pipeline, status
from chautari.errors import BadInput, RunFailed
from chautari.report.model import RegionReport

__all__ = ["inventories"]
COMMANDS = list(main.COMMANDS)


def fake_result(monkeypatch: pytest.MonkeyPatch, result: RegionReport | BaseException) -> None:
    def fake_verb(*_: Any) -> RegionReport:
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(pipeline, "deploy", fake_verb)
    monkeypatch.setattr(pipeline, "verify", fake_verb)


@pytest.mark.parametrize("verb", ["region", "verify"])
@pytest.mark.parametrize(
    ("result", "code"),
    [
        (report(), 0),
        (report("failed"), 1),
        (report(state="unreachable"), 1),
        (RunFailed("it broke"), 1),
        (BadInput("no such thing"), 2),
        (ZeroDivisionError("x"), 3),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_exit_code_depends_on_the_outcome(
    verb: str, result: RegionReport | BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_result(monkeypatch, result)
    assert main.run([verb, "andes"]) == code


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["region"], ["validate", "--no-such-option"], ["region", "a", "b"],
     ["region", "andes", "--identity", "/no/such/file"], ["region", "andes", "--parallel", "0"],
     ["region", "andes", "--canary", "bog9"],
     ["region", "andes", "--canary", "bog1", "--detach"],
     ["region", "andes", "--canary", "bog1", "--no-checks"]],
)  # fmt: skip
def test_wrong_usage_is_bad_input(arguments: list[str]) -> None:
    assert main.run(arguments) == 2


def test_expected_error_is_printed_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_result(monkeypatch, RunFailed("it broke", fix="repair it"))
    main.run(["region", "andes"])
    captured = capsys.readouterr()
    assert captured.err.endswith("it broke\n  Fix: repair it\n")
    assert captured.out == ""


def test_bug_leaves_a_log_ready_to_paste(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_result(monkeypatch, ZeroDivisionError("by nothing"))
    assert main.run(["region", "andes"]) == 3
    text = capsys.readouterr().err
    assert "This is a bug in Chautari: ZeroDivisionError: by nothing" in text
    assert "Traceback" not in text
    log = Path(text.rsplit("the file ", 1)[1].strip())
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_interruption_says_that_runs_continue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_result(monkeypatch, KeyboardInterrupt())
    main.run(["region", "andes"])
    assert "continue there" in capsys.readouterr().err


def test_json_is_the_only_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_result(monkeypatch, report())
    assert main.run(["region", "andes", "--json"]) == 0
    deployed = json.loads(capsys.readouterr().out)
    assert deployed["ok"] is True
    assert deployed["nodes"][0]["changed"] == 2
    assert {key: deployed["checks"][key] for key in ("passed", "failed", "skipped")} == {
        "passed": 1, "failed": 0, "skipped": 0,
    }  # fmt: skip
    main.run(["verify", "andes", "--json"])
    assert json.loads(capsys.readouterr().out)["checks"] == deployed["checks"]


@pytest.mark.parametrize(
    ("found", "code", "text"),
    [
        ({"roles": {}, "deployed": 1, "known": 2, "busy": None}, 0,
         "bog1: Nothing has changed since the deploy of "),
        ({"roles": {"web": [{"code": "path_missing", "data": {"path": "/x"}}]},
          "deployed": 1, "known": 2, "busy": None}, 1,
         "    /x: is missing\n\nTo undo these changes, run: deploy region andes\n"),
        ({"roles": {}, "deployed": 0, "known": 0, "busy": None}, 0,
         "bog1: Nothing has been deployed here yet"),
        ({"roles": {}, "deployed": 1, "known": 2, "busy": {"operator": "luz"}}, 0,
         "(luz is deploying to this node. The result may change.)"),
        (None, 1,
         "bog1: timed out\n"),
    ],
    ids=["nothing", "changed", "new", "busy", "unreachable"],
)  # fmt: skip
def test_drift_prints_changes_and_the_next_step(
    found: Any, code: int, text: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    nodes = [drift.NodeDrift("bog1", found and {"event": "drift"} | found, "timed out")]
    monkeypatch.setattr(drift, "drift_of_nodes", lambda _: nodes)
    assert main.run(["drift", "andes"]) == code
    assert text in capsys.readouterr().out
    assert main.run(["drift", "andes", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "ok": code == 0, "nodes": [node.as_object() for node in nodes],
    }  # fmt: skip


def test_reports_are_written_to_the_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_result(monkeypatch, report())
    main.run(["region", "andes"])
    assert list((tmp_path / "state" / "chautari" / "reports" / "andes").rglob("report.html"))
    assert reporting._ENDINGS


def test_validate_prints_every_problem_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    file = FIXTURES / "invalid" / "unknown-os.yml"
    assert main.run(["validate", "andes", str(file), "--json"]) == 2
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    good, bad = found["regions"]
    assert (good["region"], good["ok"], good["problems"]) == ("andes", True, [])
    assert good["warnings"][0]["where"] == "nodes.bog1.address"
    assert bad["problems"][0] == {
        "code": "unknown_value", "file": str(file), "line": 6, "column": 33,
        "where": "nodes.bog1.os",
        "message": "'fedora-42' is not a valid value",
        "fix": "choose one of: debian-12, debian-13, ubuntu-22.04, ubuntu-24.04",
    }  # fmt: skip
    assert found["ok"] is False and found["errors"] == bad["problems"]
    assert "andes: valid" in captured.err


def test_validate_without_a_name_checks_all_regions(
    inventories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inventories / "zagros").mkdir()
    (inventories / "zagros" / "region.yml").write_text("region: zagros\n")
    assert main.run(["validate"]) == 2
    text = capsys.readouterr().err
    assert "andes: valid" in text
    assert "zagros/region.yml:1:1: domain: is missing" in text


def test_unknown_region_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["region", "andez"]) == 2
    assert "did you mean andes?" in capsys.readouterr().err


def test_status_without_a_name_lists_the_regions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "regions": ["andes"]}
    main.run(["status"])
    assert capsys.readouterr().out == "andes\n"


def test_status_prints_each_node(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = "20261123T120000-abcdef"
    common = {"reachable": True, "busy": None, "run": run, "started": 0, "finished": {"ok": True}}
    states = [
        common | {"node": "a"},
        common | {"node": "b", "finished": None},
        common | {"node": "c", "busy": {"operator": "luz", "run": run}},
        common | {"node": "d", "run": None},
        {"node": "e", "reachable": False, "message": "timed out"},
    ]
    monkeypatch.setattr(status, "node_statuses", lambda _: states)
    assert main.run(["status", "andes"]) == 1
    shown = capsys.readouterr().out.splitlines()
    words = [line.split(" -")[0].split(maxsplit=1)[1].strip() for line in shown[3:8]]
    assert words == ["deployed", "interrupted", "running", "not deployed", "unreachable"]
    assert len(shown) <= 24 and "broken  e: not reachable: timed out" in shown
    assert main.run(["status", "andes", "--details"]) == 1
    runs = capsys.readouterr().out.split("Last deploys\n")[1]
    lines = [line.split(maxsplit=1)[1] for line in runs.splitlines()]
    assert lines[0].endswith("succeeded")
    assert lines[1] == f"run {run} was interrupted; deploy again"
    assert lines[2] == f"run {run} is running (started by luz)"
    assert lines[3:] == ["no deploy has run on this node yet", "not reachable: timed out"]
    main.run(["status", "andes", "--json"])
    printed = json.loads(capsys.readouterr().out)
    problems = {item["subject"]: item["code"] for item in printed.pop("problems")}
    assert problems == {"b": "run_interrupted", "d": "never_deployed", "e": "unreachable"}
    assert [item["label"] for item in printed.pop("topics")] == [
        "Services", "Backups", "Releases", "Mail",
    ]  # fmt: skip
    assert printed == {
        "ok": False,
        "region": "andes",
        "nodes": states,
        "outdated": [],
        "releases_unknown": [],
        "backups": [],
        "health": {"bog1": None, "med1": None},
        "peers": {},
    }


def test_render_writes_private_secrets(inventories: Path, tmp_path: Path) -> None:
    region_file(inventories, REGION.replace("{key} ana", "'{key}' #"), key_pair(tmp_path, "ana"))
    text = (inventories / "andes" / "region.yml").read_text().replace(" #@laptop}", "}")
    (inventories / "andes" / "region.yml").write_text(text)
    assert main.run(["render", "andes", "-o", str(tmp_path / "out"), "--no-secrets"]) == 0
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.yml")}
    assert names == {"hosts.yml", "host_vars/bog1/main.yml", "host_vars/med1/main.yml"}
    assert main.run(["render", "andes", "-o", str(tmp_path / "out")]) == 2


def test_render_writes_several_regions_to_a_folder_each(inventories: Path, tmp_path: Path) -> None:
    text = (inventories / "andes" / "region.yml").read_text()
    (inventories / "zagros").mkdir()
    (inventories / "zagros" / "region.yml").write_text(
        text.replace("region: andes", "region: zagros")
    )
    out = tmp_path / "out"
    assert main.run(["render", "andes", "zagros", "-o", str(out), "--no-secrets"]) == 0
    assert sorted(path.parent.name for path in out.glob("*/hosts.yml")) == ["andes", "zagros"]
    assert main.run(["render", "andes", "-o", str(tmp_path / "one"), "--no-secrets"]) == 0
    for file in (tmp_path / "one").rglob("*.yml"):
        together = out / "andes" / file.relative_to(tmp_path / "one")
        assert together.read_bytes() == file.read_bytes()


def test_render_refuses_folders_of_regions_and_an_empty_name(
    inventories: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inventories.parent)
    before = sorted(inventories.parent.rglob("*"))
    region = inventories / "andes"
    for output in (inventories, region, region / "out", region / ".." / "andes"):
        assert main.run(["render", "andes", "-o", str(output), "--no-secrets"]) == 2
        assert "is a folder for region files" in capsys.readouterr().err
    for output in ("", " "):
        assert main.run(["render", "andes", "-o", output, "--no-secrets"]) == 2
        assert "the name of the output folder is empty" in capsys.readouterr().err
    assert sorted(inventories.parent.rglob("*")) == before


def test_render_writes_nothing_when_one_of_the_regions_is_wrong(
    inventories: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("zagros", "zomia"):
        (inventories / name).mkdir()
        (inventories / name / "region.yml").write_text(f"region: {name}\n")
    names = ["andes", "zagros", "zomia"]
    assert main.run(["render", *names, "-o", str(tmp_path / "out"), "--no-secrets"]) == 2
    text = capsys.readouterr().err
    assert "zagros/region.yml:1:1: domain: is missing" in text
    assert "zomia/region.yml:1:1: domain: is missing" in text
    assert not (tmp_path / "out").exists()


def test_render_refuses_to_write_two_regions_over_each_other(
    inventories: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["andes", str(inventories / "andes")]
    assert main.run(["render", *names, "-o", str(tmp_path / "out"), "--no-secrets"]) == 2
    assert "two of these regions are called andes" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["completion", shell]) == 0
    assert "_DEPLOY_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("deploy v", ["validate", "verify"]), ("deploy region p", ["pinned"]), ("deploy x", [])],
)
def test_completion_offers_commands_and_regions(typed: str, offered: list[str]) -> None:
    environment = {
        "PYTHONPATH": str(ROOT / "tool"),
        "CHAUTARI_INVENTORIES": str(FIXTURES / "valid"),
        "_DEPLOY_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    code = "from chautari.cli.main import deploy; deploy(prog_name='deploy')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [f"plain,{word}" for word in offered]


def test_help_imports_no_large_module() -> None:
    code = (
        "import sys; from chautari.cli.main import run; code = run(['--help']);"
        "heavy = {'pydantic', 'pyinfra', 'rich', 'ansible', 'yaml', 'pyrage'} & set(sys.modules);"
        "print(code, sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "tool")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == "0 []\n"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def modules_loaded_by(code: str) -> set[str]:
    """Return the modules that a new Python has loaded once it ran `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        env={"PYTHONPATH": str(ROOT / "tool")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = set(done.stdout.split())
    assert "chautari.cli" in found
    return found


def test_deploy_imports_only_what_a_survey_needs() -> None:
    heavy = {
        "pyinfra", "gevent", "paramiko", "pytest", "requests", "dns", "ansible", "cryptography",
        "difflib", "rich", "jinja2", "chautari_sandbox.api", "http.client",
        "chautari.deploy.peer_status", "chautari.federation.transfer", "chautari.key_pairs",
        "chautari.render.bundle",
    }  # fmt: skip
    code = "import chautari.cli.region, chautari.cli.reporting, chautari.deploy.pipeline"
    assert modules_loaded_by(code) & heavy == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: deploy {name}")


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("deploy, version ")

"""The `deploy` command, as a person runs it: progress to the terminal, the result as JSON."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import Any

from chautari.errors import RunFailed


def run_deploy_and_parse_json(
    *arguments: str, good_codes: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """Run `deploy ARGUMENTS --json` and return the object that it prints.

    Raises:
        RunFailed: with the command's own reasons, if it ends with another code.
    """
    done = _run_deploy((*arguments, "--json"))
    command = shlex.join(("deploy", *arguments))
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _failed_command_error(command, done.returncode) from None
    if done.returncode not in good_codes:
        raise _failed_command_error(command, done.returncode, _reasons_of_failure(found))
    return found


def read_secret(region: str, secret: str) -> str:
    """Return a secret of a region."""
    arguments = ("secrets", "show", region, secret)
    done = _run_deploy(arguments)
    if done.returncode:
        raise _failed_command_error(shlex.join(("deploy", *arguments)), done.returncode)
    return done.stdout.removesuffix("\n")


def _run_deploy(arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-m", "chautari", *arguments)
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)


def _failed_command_error(
    command: str, code: int, reasons: tuple[str, ...] | list[str] = ()
) -> RunFailed:
    text = "\n".join((f"`{command}` exited with code {code}", *reasons))
    return RunFailed(text, fix=f"{command}; then run the demo again")


def _reasons_of_failure(result: dict[str, Any]) -> list[str]:
    """Return what went wrong, as the object of a command says it."""
    if error := result.get("error"):
        return [f"  {error['message']}", f"  Fix: {error['fix']}"]
    lines = []
    for node in result.get("nodes", ()):
        lines += [f"  {node['name']}: {item['reason']}" for item in node["refusals"]]
        if failure := node["failure"]:
            lines.append(f"  {node['name']}: role {failure['role']}: {failure['message']}")
    for check in result.get("checks", {}).get("results", ()):
        if check["outcome"] not in ("passed", "skipped"):
            lines.append(f"  {check['node']}: {check['check']}: {check['message']}")
    return lines or [f"  {json.dumps(result)[:2000]}"]

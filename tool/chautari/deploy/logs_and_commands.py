"""Look inside a node: what its services logged, and their commands, over the region's own SSH."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from chautari.account import account_name
from chautari.deploy.request import Request
from chautari.errors import BadInput, RunFailed
from chautari.language import _
from chautari.node.events import LogLine
from chautari.prepare.child_process import other_login_refusal, unreachable_refusal
from chautari.process import OutputLimits, RunningCommand
from chautari.region.model import Region
from chautari.render.provider import known_endpoints
from chautari.services.base import Service
from chautari.services.logs_and_commands import LogsAndCommands, NodeCommand
from chautari.ssh.account_fallback import (
    accounts_of_node,
    is_accepted,
    is_command_accepted,
    probe_account,
    remember_login,
    try_accounts,
)
from chautari.ssh.known_hosts import check_known_hosts_match_region
from chautari.ssh.message_validation import MalformedMessage, parse_answer
from chautari.ssh.runner_client import SSH_FAILED, runner_command_line, runner_stdin
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv, ssh_targets
from chautari.suggestions import nearest_word

MAX_LOG_LINES = 2000  # of each source
LOG_LIMITS = OutputLimits(line_bytes=1 << 16, total_bytes=32 << 20, lines=100_000)
# A log that is followed for days; the limit stops a node that only sends.
FOLLOW_LIMITS = OutputLimits(line_bytes=1 << 16, total_bytes=1 << 30, lines=10_000_000)
MAX_LOGIN_LINES = 5
COMMAND_LIMITS = OutputLimits(line_bytes=1 << 20, total_bytes=32 << 20, lines=500_000)
_DURATION = re.compile(r"([0-9]{1,6}) ?(s|m|min|h|d)")
_UNIT_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
AUDIT = "audit"  # in place of a service
AUDIT_LOG = LogsAndCommands(files=("/var/log/chautari/audit.log",))
AUDIT_PROGRAM = "/usr/local/sbin/chautari-audit"
DECADE = 10 * 365 * 86_400


class CommandResult(NamedTuple):
    """What a command on a node printed, and its exit code."""

    node: str
    code: int
    stdout: str
    stderr: str


def parse_duration(text: str) -> int:
    """Return a length of time such as `90s`, `15m`, `1h` or `2d` in seconds.

    Raises:
        ValueError: when it is something else.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if not 0 < seconds <= DECADE:
        raise ValueError(text)
    return seconds


def service_of_region(region: Region, name: str) -> Service:
    """Return a service that a node of the region runs, by its name or that of its app.

    Raises:
        BadInput: when no node runs it.
    """
    deployed = deployed_services(region)
    for service in deployed:
        if name in (service.name, service.role_and_artifact_name):
            return service
    names = [service.name for service in deployed]
    close = nearest_word(name, names)
    raise BadInput(
        _("no node of {region} runs {name!r}", region=region.region, name=name),
        fix=_("did you mean {close}?", close=close)
        if close
        else _("use one of: {names}", names=", ".join(names))
        if names
        else _("add a service to a node"),
    )


def deployed_services(region: Region) -> list[Service]:
    """Return the services of the region's nodes, each once, as its settings make them."""
    found = {service.name: service for node in region.nodes for service in region.services_of(node)}
    return list(found.values())


def command_of_region(region: Region, name: str) -> tuple[Service, NodeCommand]:
    """Return a command of the region's services with the first service that has it.

    Raises:
        BadInput: when no service of the region has it.
    """
    known = {
        command: service
        for service in reversed(deployed_services(region))
        for command in service.logs_and_commands.commands
    }
    if name in known:
        return known[name], known[name].logs_and_commands.commands[name]
    close = nearest_word(name, sorted(known))
    hint = (
        _("did you mean {close}?", close=close)
        if close
        else _("use one of: {known}", known=", ".join(sorted(known)))
    )
    if not known:
        hint = _("use: deploy ssh {region} NODE -- COMMAND", region=region.region)
    raise BadInput(
        _("no service of {region} has the command {name!r}", region=region.region, name=name),
        fix=hint,
    )


def targets_of_service(request: Request, service: Service) -> list[SSHTarget]:
    """Return the requested nodes that run the service; by default all of them.

    Raises:
        BadInput: when a requested node does not run it, or the pinned host keys are wrong.
    """
    running = request.loaded_region.region.nodes_running(service.name)
    if request.nodes:
        for name in request.node_names():
            if name not in running:
                raise BadInput(
                    _("{name} does not run {name2}", name=name, name2=service.name),
                    fix=_("use one of: {running}", running=", ".join(running)),
                )
        running = tuple(name for name in running if name in request.nodes)
    return targets_of_nodes(request, running)


def targets_of_nodes(request: Request, names: Sequence[str]) -> list[SSHTarget]:
    """Return how the nodes are reached, with the region's key and its pinned host keys."""
    loaded_region = request.loaded_region
    check_known_hosts_match_region(loaded_region)
    endpoints = known_endpoints(loaded_region)
    return ssh_targets(loaded_region, endpoints, tuple(names), request.identities)


def read_logs(
    region: str, target: SSHTarget, logs: LogsAndCommands, seconds: int, lines: int, *, follow: bool
) -> Iterator[LogLine]:
    """Yield what is in `logs` on the node and was written in the last `seconds`; follow them.

    Raises:
        RunFailed: when the node cannot be reached, or sends too much or something else.
    """
    arguments = {
        "action": "service_logs",
        "units": list(logs.units),
        "files": list(logs.files),
        "seconds": seconds,
        "lines": lines,
        "follow": follow,
    }
    limits = FOLLOW_LIMITS if follow else LOG_LIMITS
    answered, said = False, list[str]()
    for login in accounts_of_node(target):
        command = command_as_root(login, runner_command_line(arguments))
        stream = RunningCommand(ssh_argv(login, command), runner_stdin(b"", "service_logs"), limits)
        try:
            for line in stream:
                if (found := _parse_log_line(line)) is not None:
                    answered = True
                    yield found
                elif len(said) < MAX_LOGIN_LINES:
                    said.append(line)
        except BaseException:
            stream.stop()
            raise
        text = _login_text(stream, said)
        if is_accepted(answered or not stream.code, stream.code, text) is not False:
            break
    if answered or not stream.code:
        remember_login(login)
    _raise_for_failed_ssh(target, stream)
    if stream.code:
        _raise_for_other_login(login, text)
        raise RunFailed(
            _(
                "{name}: the node could not read the logs: {stderr}",
                name=target.name,
                stderr=stream.stderr.splitlines()[-1]
                if stream.stderr
                else _("exit code {code}", code=stream.code),
            ),
            fix=_(
                "log in and check the node: deploy ssh {region} {name}",
                region=region,
                name=target.name,
            ),
        )


def _parse_log_line(line: str) -> LogLine | None:
    """Return a line of a log; a greeting of the shell and a heartbeat are passed over."""
    try:
        return parse_answer(line, "log_line", LogLine)
    except MalformedMessage:
        return None


def run_on_node(
    target: SSHTarget,
    command: str,
    stdin: bytes = b"",
    *,
    as_root: bool = False,
    limits: OutputLimits = COMMAND_LIMITS,
) -> CommandResult:
    """Run a command line on the node, and return what it printed.

    `command` runs as the login account; with `as_root`, as root.

    Raises:
        RunFailed: when the node cannot be reached, or the command prints too much.
    """

    def attempt(login: SSHTarget) -> tuple[SSHTarget, list[str], RunningCommand]:
        line = command_as_root(login, command) if as_root else command
        stream = RunningCommand(ssh_argv(login, line), stdin, limits, keep_incomplete_line=True)
        try:
            return login, list(stream), stream
        except BaseException:
            stream.stop()
            raise

    login, lines, stream = try_accounts(
        target,
        attempt,
        lambda found: is_command_accepted(found[0], found[2].code, _login_text(found[2], found[1])),
    )
    _raise_for_failed_ssh(target, stream)
    said = _login_text(stream, lines)
    if stream.code and other_login_refusal(login, said) and probe_account(login) is False:
        _raise_for_other_login(login, said)
    return CommandResult(target.name, stream.code or 0, "\n".join(lines), stream.stderr)


def _login_text(stream: RunningCommand, lines: Sequence[str]) -> str:
    """Return what a node says first, where it may say that it refuses the account."""
    return "\n".join([stream.stderr, *lines[:MAX_LOGIN_LINES]]).strip()


def _raise_for_other_login(target: SSHTarget, said: str) -> None:
    if refusal := other_login_refusal(target, said):
        raise RunFailed(f"{target.name}: {refusal.reason}", fix=refusal.fix)


def _raise_for_failed_ssh(target: SSHTarget, stream: RunningCommand) -> None:
    if stream.flooded:
        raise RunFailed(
            _("{name}: the node sent too much, so the connection was closed", name=target.name),
            fix=_(
                "request less output, for example with --since 10m, or write the output to a "
                "file on the node"
            ),
        )
    if stream.code == SSH_FAILED:
        refusal = unreachable_refusal(
            stream.stderr.splitlines()[-1] if stream.stderr else _("no answer"), target
        )
        raise RunFailed(f"{target.name}: {refusal.reason}", fix=refusal.fix)


def service_command_line(name: str, command: NodeCommand, arguments: Sequence[str]) -> str:
    """Return a service's command with an operator's arguments; the node records its name.

    A node without the program that records it runs the command all the same.
    """
    record = ("run", name, account_name(), platform.node())
    script = '[ ! -x "$0" ] || exec "$0" "$@"; shift 4; exec "$@"'
    return shlex.join(("sh", "-c", script, AUDIT_PROGRAM, *record, *command.argv, *arguments))


def shell_line_from_arguments(arguments: Sequence[str]) -> str:
    """Return what the login account's shell runs: one argument is a line of the shell.

    Raises:
        BadInput: when the line is empty, or SSH would take it for an option.
    """
    line = arguments[0].strip() if len(arguments) == 1 else shlex.join(arguments)
    if not line or line.startswith("-"):
        raise BadInput(
            _("this is not a command: {line!r}", line=line),
            fix=_("write the name of the node, then --, then the command"),
        )
    return line


def log_lines_as_objects(lines: Mapping[str, Sequence[LogLine]]) -> list[dict[str, str]]:
    """Return the lines of each node as plain JSON data."""
    return [
        {"node": node, "source": line["source"], "text": line["text"]}
        for node, of in lines.items()
        for line in of
    ]

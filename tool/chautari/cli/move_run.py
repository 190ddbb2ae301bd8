"""Run the steps of a move, one after the other, and record each one that is completed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from chautari.backup import restore
from chautari.backup.move import release_that_move_installs
from chautari.backup.move_progress import MoveProgress, next_step_number
from chautari.backup.restore_events import RestoreResultsAnswer
from chautari.cli import main
from chautari.cli.output import echo
from chautari.errors import BadInput, RunFailed
from chautari.language import _
from chautari.paths import regions_root
from chautari.process import ProcessError, run
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.services.base import MoveStep
from chautari.ssh.account_fallback import is_command_accepted, try_accounts
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv, ssh_targets

SSH_SECONDS = 120


class Move(NamedTuple):
    """A move: its steps, what they follow from, and the title of the last completed step."""

    name: str
    loaded_region: LoadedRegion
    service: str
    to: str
    old: str
    version: str
    release: str
    steps: list[MoveStep]
    progress: MoveProgress
    completed: str

    @property
    def next_step(self) -> int:
        """Return the number of the step to continue with."""
        return next_step_number(self.steps, self.completed)

    @property
    def command_to_continue(self) -> str:
        """Return the command that continues the move."""
        return f"deploy move {self.name} {self.service} --to {self.to} --run"


def print_step(number: int, step: MoveStep) -> None:
    """Print a step with its commands."""
    echo(f"{number}. {step.title}\n   {step.why}")
    for line in step.commands:
        echo(f"     {line}")
    echo()


def run_steps(move: Move, first: int, identities: tuple[Path, ...]) -> None:
    """Run the steps from the first one on, and record each one that is completed.

    Raises:
        RunFailed: when a step fails.
        click.Abort: when the person does not want to continue now.
    """
    if first > 1:
        total = len(move.steps)
        echo(
            _(
                "Continuing with step {first} of {total}. To start from the beginning: --step 1\n",
                first=first,
                total=total,
            )
        )
    for number, item in enumerate(move.steps, 1):
        if number < first:
            continue
        print_step(number, item)
        if item.later:
            continue
        try:
            _run_step(move, item, identities, number)
        except click.Abort:
            echo(
                _(
                    "\nStep {number} was not completed. To continue: {command}",
                    number=number,
                    command=move.command_to_continue,
                ),
                err=True,
            )
            raise
        move.progress.record_completed_step(move.old, move.version, move.release, item.title)
    move.progress.delete()


def _run_deploy(arguments: Sequence[str], number: int, move: Move) -> None:
    """Run `deploy` in this process.

    Raises:
        RunFailed: when it fails.
        click.Abort: when the person interrupts it.
    """
    code = main.run(list(arguments))
    if code == main.INTERRUPTED:
        raise click.Abort
    if code:
        raise RunFailed(
            _("step {number} failed", number=number),
            fix=_(
                "correct the cause, and repeat this step: {command}",
                command=move.command_to_continue,
            ),
        )


def _run_step(move: Move, step: MoveStep, identities: tuple[Path, ...], number: int) -> None:
    """Run a step, or wait until a person has done it.

    Raises:
        RunFailed: when one of its commands fails.
    """
    question = (
        _("Have you done this?") if step.by_person or not step.actions else _("Run this step?")
    )
    click.confirm(question, abort=True, err=True)
    for action in step.actions:
        if action[0] == "ssh":
            _run_on_node(move.loaded_region, action[1], action[2], identities, number)
        elif action[0] == "check-region":
            _require_edited_region_file(move)
        elif action[1] == "restore" and _is_data_restored(move, identities):
            # What the interrupted command would have done next.
            words = ["region", move.name, "--node", move.to, *_identity_options(identities)]
            _run_deploy(words, number, move)
        else:
            _run_deploy(_deploy_arguments(move, action, identities), number, move)


def _require_edited_region_file(move: Move) -> None:
    """Compare region.yml with what the step asks for.

    Raises:
        BadInput: when it names another node or selects another release.
    """
    service, old, to = move.service, move.old, move.to
    loaded_region = load_region(find_region_file(move.name, regions_root()))
    running = loaded_region.region.nodes_running(service)
    if to not in running or old in running:
        raise BadInput(
            _(
                "in region.yml, {service} runs on {running}",
                service=service,
                running=", ".join(running) or _("no node"),
            ),
            fix=_(
                "move {service} from the services of {old} to the services of {to}, and "
                "repeat this step: {command}",
                service=service,
                old=old,
                to=to,
                command=move.command_to_continue,
            ),
        )
    if move.version:
        endpoints = known_endpoints(loaded_region)
        found = release_that_move_installs(loaded_region, endpoints, service, to, old)
        if found != move.version:
            raise BadInput(
                _(
                    "{to} would get {service} {found}, but the backup was made with {version}",
                    to=to,
                    service=service,
                    found=found,
                    version=move.version,
                ),
                fix=_(
                    'write version: "{version}" under services.{service}, and repeat this '
                    "step: {command}",
                    version=move.version,
                    service=service,
                    command=move.command_to_continue,
                ),
            )


def _is_data_restored(move: Move, identities: tuple[Path, ...]) -> bool:
    """Return whether the new node already has the data, and is not to get it again.

    A restore goes on when this command is interrupted. To repeat one would bring back the backup
    over what people did since.
    """
    found = _restore_results_of_new_node(move, identities)
    if found.pending:
        echo(_("An earlier restore on {to} is not finished. Its progress follows.", to=move.to))
        words = ["restore", move.name, "--follow", "--node", move.to]
        main.run([*words, *_identity_options(identities)])
        found = _restore_results_of_new_node(move, identities)
    done = [
        item
        for item in found.results
        if item.ok and item.node == move.old and item.services == [move.service]
    ]
    if not done:
        return False
    last = max(done, key=lambda item: item.finished)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last.finished))
    echo(
        _(
            "The data of {archive} was restored to {to} on {when}.",
            to=move.to,
            archive=last.archive,
            when=when,
        )
    )
    return not click.confirm(
        _("Restore again? All changes that were made after that restore will be lost."),
        default=False,
        err=True,
    )


def _restore_results_of_new_node(move: Move, identities: tuple[Path, ...]) -> RestoreResultsAnswer:
    endpoints = known_endpoints(move.loaded_region)
    [target] = ssh_targets(move.loaded_region, endpoints, (move.to,), identities)
    return restore.restore_results_of_node(target)


def _deploy_arguments(move: Move, action: Sequence[str], identities: tuple[Path, ...]) -> list[str]:
    """Return the arguments of an action's `deploy`, with the region as the person named it."""
    words = list(action[1:])
    end = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
    words[end - 1] = move.name
    return words if words[0] in ("validate", "dns") else [*words, *_identity_options(identities)]


def _identity_options(identities: tuple[Path, ...]) -> list[str]:
    return [word for file in identities for word in ("--identity", str(file))]


def _run_on_node(
    loaded_region: LoadedRegion, node: str, remote: str, identities: tuple[Path, ...], number: int
) -> None:
    endpoints = known_endpoints(loaded_region)
    [target] = ssh_targets(loaded_region, endpoints, (node,), identities)
    script = f"sh -c {shlex.quote(remote)}"

    def attempt(login: SSHTarget) -> tuple[SSHTarget, ProcessError | None]:
        try:
            run(ssh_argv(login, command_as_root(login, script)), timeout=SSH_SECONDS)
        except ProcessError as error:
            return login, error
        return login, None

    def accepted(found: tuple[SSHTarget, ProcessError | None]) -> bool | None:
        login, error = found
        return error is None or is_command_accepted(login, error.code, error.stderr)

    _login, error = try_accounts(target, attempt, accepted)
    if error is not None:
        raise RunFailed(
            _(
                "step {number} failed on {node}: {message}",
                number=number,
                node=node,
                message=error.message,
            ),
            fix=_("correct the cause, and repeat this step"),
        ) from None

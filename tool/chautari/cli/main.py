"""Entry point of `deploy`: finds the subcommand, and is the only place that catches errors."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any

import click

from chautari import __version__
from chautari.errors import ChautariError

BUG = 3
INTERRUPTED = 130
_COMMANDS = {
    "region": "bring a region to what its region.yml says, and check it",
    "plan": "what a deploy would run, why, and what it would change",
    "validate": "check region files; nothing is connected to",
    "prepare": "make bare machines ready for Ansible, and nothing else",
    "render": "write a region as a plain Ansible inventory",
    "verify": "run all checks of a region; nothing is changed",
    "drift": "what changed on a region's nodes since their last deploy",
    "status": "what runs on a region's nodes, and how the last run ended",
    "attach": "follow a run that goes on on the nodes, or read the last one",
    "move": "the way of a service to another machine, command by command",
    "secrets": "set, show and list a region's secrets",
    "sandbox": "the small internet and the nodes of a region in containers",
    "doctor": "what this machine lacks, and the command that mends it",
    "completion": "shell completion for bash, zsh or fish",
}


class Commands(click.Group):
    """Subcommands that are imported only when they are called, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that holds the command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"chautari.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="deploy")
def deploy() -> None:
    """Stand up a region's services on its nodes, and prove that they work.

    \b
    deploy region NAME     is the main job
    deploy region demo     is the embedded example, in containers on this machine
    """


def main(arguments: list[str] | None = None) -> None:
    """Run `deploy` and exit: 0 done, 1 failed, 2 bad input, 3 a bug of ours, 130 interrupted."""
    code = run(arguments)
    if process := sys.modules.get("chautari.process"):
        # Interrupted, or with its reader gone, threads still wait for nodes and checks; what they
        # follow on a node goes on without them.
        process.stop_all()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        # Everything is written. To take down all that was loaded takes longer than to load it did.
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run `deploy` and return its exit code."""
    try:
        result: Any = deploy.main(arguments, prog_name="deploy", standalone_mode=False)
    except ChautariError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted; runs that began on a node go on there by themselves", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (deploy … | head): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception:
        return _bug()
    return result if isinstance(result, int) else 0


def _bug() -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="chautari-bug-", suffix=".log", delete=False
    ) as log:
        log.write(f"deploy {__version__}\nPython {sys.version}\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    click.echo(f"a bug of Chautari, not of yours: {last}", err=True)
    click.echo(f"  → please report it with the file {log.name}", err=True)
    return BUG

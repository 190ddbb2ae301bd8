"""Entry point of `deploy`: finds the subcommand, and is the only place that catches errors."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import tempfile
import traceback
from typing import Any, TextIO

import click

from chautari import __version__, language, process
from chautari.cli import json_output
from chautari.cli.output import discard_output, echo
from chautari.cli.translated_help import translate_click, translate_command
from chautari.cli.usage_errors import to_usage_mistake
from chautari.errors import ChautariError
from chautari.files import to_displayable_error
from chautari.language import _

BUG = 3
INTERRUPTED = 130
INTERRUPTION: language.Text = "Interrupted. Runs that have started on a node continue there."
COMMANDS: language.Texts = {
    "region": "deploy a region: make its nodes match region.yml, and check them",
    "init": "create the files of a new region",
    "plan": "show what a deploy would run, why, and what it would change",
    "upgrade": "show what an upgrade of a service would do",
    "validate": "check region files without connecting to any machine",
    "migrate": "adapt region.yml to this version, and show what else changed",
    "dns": "show the DNS records to create, and which are missing",
    "capacity": "show how many people, accounts and GB of files a region has room for",
    "explain": "explain a key of region.yml",
    "prepare": "prepare new machines for Ansible; install no services",
    "render": "write a plain Ansible inventory for a region",
    "verify": "run all checks for a region; change nothing",
    "drift": "show what changed on a region's nodes since their last deploy",
    "report": "print or open the report of a run",
    "status": "show the state of a region on one screen",
    "attach": "follow the active run on each node, or show the last run",
    "backup": "back up a region's nodes, list the backups, and check them",
    "restore": "restore services of a region from a backup",
    "drill": "prove that the newest backup can be restored, in containers on this machine",
    "move": "move a service to another node, step by step",
    "logs": "print or follow the logs of a service",
    "run": "run a service's own command on its node",
    "ssh": "log in to a node with the region's key and pinned host key",
    "lock": "check releases that have no pin yet, and pin them in artifacts.lock",
    "operators": "list, add and remove the people who deploy a region",
    "secrets": "set, show and list a region's secrets",
    "federation": "trust other regions, and show the state of each peer",
    "sandbox": "manage a region's containers and its simulated internet",
    "doctor": "check this machine for missing tools and show how to install them",
    "completion": "print the completion script for bash, zsh or fish",
}


class LazyCommandGroup(click.Group):
    """Subcommands that are imported only when they are called, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that holds the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"chautari.cli.{cmd_name}")
        command: click.Command = module.command
        return translate_command(command)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help in the language of the command."""
        translate_command(self)
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(text)) for name, text in COMMANDS.items()])


def _select_language(_context: click.Context, _param: click.Parameter, value: str) -> None:
    """Use a language that has a translation; the country may be another one."""
    if value and language.best_language([value]) == language.ENGLISH != value[:2]:
        known = ", ".join([language.ENGLISH, *language.translations()])
        raise click.BadParameter(
            _(
                "there is no translation into {language}; choose one of: {known}",
                language=value,
                known=known,
            )
        )
    language.select(value)


@click.group(cls=LazyCommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--language", metavar="CODE", default="", is_eager=True, expose_value=False,
    callback=_select_language,
    help="Language of the texts, such as es or pt_BR. Default: the language of your terminal.",
)  # fmt: skip
@click.version_option(__version__, prog_name="deploy")
def deploy() -> None:
    """Set up a region's services on its nodes, and check that they work.

    \b
    deploy region NAME     deploys a region
    deploy region demo     deploys the built-in example, in containers on this machine
    """


def main(arguments: list[str] | None = None) -> None:
    """Run `deploy` and exit with 0 done, 1 failed, 2 bad input, 3 our bug, 130 interrupted."""
    code = run(arguments)
    # After an interruption, threads still wait for nodes and checks; runs on nodes continue.
    process.stop_all_commands()
    # At exit, Python would look for garbage in all modules: 60 ms, and nothing is left to do.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run `deploy` and return its exit code."""
    json_output.forget_json_request()
    language.select("")
    language.use_english_only(
        json_output.is_json_requested(sys.argv[1:] if arguments is None else arguments)
    )
    translate_click()
    try:
        result: Any = deploy.main(arguments, prog_name="deploy", standalone_mode=False)
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        return _report_usage_error(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _report_error(_Interrupted(_(INTERRUPTION)), arguments, f"\n{_(INTERRUPTION)}")
    except BrokenPipeError:
        # The reader of the output has exited (deploy … | head), so no message would arrive.
        discard_output(sys.stdout)
        return 1
    except Exception as error:
        return _report_error(to_displayable_error(error) or _log_bug(error), arguments)
    return result if isinstance(result, int) else 0


def _report_usage_error(error: click.ClickException, arguments: list[str] | None) -> int:
    """Show a mistake in the command line with the usage of the command, and what to do."""
    usage = to_usage_mistake(error, sys.argv[1:] if arguments is None else arguments)
    context: click.Context | None = getattr(error, "ctx", None)
    shown = error.format_message()
    text = _("Error: {message}", message=usage if usage.is_corrected else shown)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        text = shown
    elif context:
        hint = _("Try '{command} --help' for help.", command=context.command_path)
        text = f"{context.get_usage()}\n{hint}\n\n{text}"
    return _report_error(usage, arguments, text)


def _report_error(error: ChautariError, arguments: list[str] | None, text: str = "") -> int:
    """Show an error as `text`; with `--json` also as one JSON object, as every result."""
    as_json = json_output.is_json_requested(sys.argv[1:] if arguments is None else arguments)
    full = _discard_unwritten_output()
    try:
        echo(text or str(error), err=True)
    except OSError:
        full.append(sys.stderr)
    with contextlib.suppress(OSError):
        if sys.stderr in full and not as_json:
            echo(text or str(error))
    if as_json:
        with contextlib.suppress(OSError):
            json_output.print_error(error)
    _discard_unwritten_output()
    return error.exit_code


def _discard_unwritten_output() -> list[TextIO]:
    """Drop what the outputs do not take, so that exiting does not fail; return these outputs."""
    full = []
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            discard_output(stream)
            full.append(stream)
    return full


class _Interrupted(ChautariError):
    """Ctrl-C in the terminal, or the end of the input at a prompt."""

    exit_code = INTERRUPTED
    error_code = "interrupted"


class _UnexpectedError(ChautariError):
    """An error that Chautari does not expect."""

    exit_code = BUG
    error_code = "bug"


def _log_bug(error: Exception) -> ChautariError:
    """Write what a developer needs to a log, and return what to tell the person."""
    trace = "".join(traceback.format_exception(error))
    content = f"deploy {__version__}\nPython {sys.version}\n{trace}"
    last = trace.strip().splitlines()[-1]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="chautari-bug-", suffix=".log", delete=False
        ) as log:
            log.write(content)
    except OSError:
        return _UnexpectedError(
            _("{content}This is a bug in Chautari: {last}", content=content, last=last),
            fix=_("report it with these lines"),
        )
    return _UnexpectedError(
        _("This is a bug in Chautari: {last}", last=last),
        fix=_("report it with the file {name}", name=log.name),
    )

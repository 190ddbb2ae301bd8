"""Arguments that several subcommands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from chautari.cli.json_output import remember_json_request
from chautari.cli.translated_help import translate_options
from chautari.files import refuse_special_file
from chautari.paths import regions_root
from chautari.region.locate import region_names
from chautari.render import provider

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class RegionName(click.ParamType[str]):
    """A region's name under `inventories/`, or the path of its file; completed by the shell."""

    name = "NAME"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the regions there are."""
        with suppress(OSError):
            names = region_names(regions_root())
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return []


region_argument: Decorator = click.argument("name", type=RegionName())
json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=remember_json_request,
    help="Print one JSON object to standard output.",
)  # fmt: skip
node_option: Decorator = click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="NODE",
    help="Use only this node. You can repeat this option.",
)


report_option: Decorator = click.option(
    "--report", "report_dir", metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the reports to this folder too, for example in CI.",
)  # fmt: skip


class SSHKeyFile(click.Path):
    """A file with an SSH key. Pipes and devices are refused: ssh and age would wait for them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, if there is a regular file."""
        path = super().convert(value, param, ctx)
        refuse_special_file(Path(os.fsdecode(path)))
        return path


identity_option: Decorator = click.option(
    "--identity", "identities", multiple=True, metavar="FILE",
    type=SSHKeyFile(exists=True, dir_okay=False, path_type=Path),
    help="Use this SSH private key to log in to nodes and decrypt secrets. You can repeat this "
    "option. Default: ~/.ssh/id_ed25519 and ~/.ssh/id_rsa.",
)  # fmt: skip


class CommandWithRemoteArguments(click.Command):
    """A command whose arguments after the second one belong to a command on a node.

    So `deploy run andes occ app:list --output=json` needs no `--`, and options of the command
    itself may stand before the second argument.

    Attributes:
        options_after_second: whether options directly after it are the command's own too.
    """

    options_after_second = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; those of the command on the node stay as they are."""
        with_value = {
            name
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag
            for name in param.opts
        }
        seen, position = 0, 0
        while position < len(args) and args[position] != "--":
            is_option = args[position].startswith("-")
            if seen == 2 and not (is_option and self.options_after_second):
                break
            if not is_option:
                seen += 1
            elif args[position] in with_value:
                position += 1
            position += 1
        rest = args[position:]
        if rest and rest[0] != "--":
            rest = ["--", *rest]
        return super().parse_args(ctx, [*args[:position], *rest])


class CommandWithRemoteCommand(CommandWithRemoteArguments):
    """A command whose second argument is a node; own options may follow it, then a command."""

    options_after_second = True


class CommandWithProviderOptions(click.Command):
    """A command that starts a region's endpoints and so takes their provider's options too.

    A command line that has only the command's own options does not load the provider: a deploy of
    a real region must not pay for it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, with the provider's options where they are needed."""
        own = {name for param in self.params for name in param.opts}
        if all(arg.partition("=")[0] in own for arg in args if arg.startswith("-")):
            ctx.meta[__name__] = []
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the provider's options."""
        *own, help_ = super().get_params(ctx)
        if __name__ not in ctx.meta:
            found = provider.find_provider()
            options = list(found.extra_command_options()) if found else []
            ctx.meta[__name__] = translate_options(options)
        return [*own, *ctx.meta[__name__], help_]

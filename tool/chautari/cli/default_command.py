"""A group of commands whose most frequent one needs no name."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from chautari.cli.options import RegionName


class GroupWithDefault(click.Group):
    """A group in which `deploy GROUP NAME` is short for `deploy GROUP now NAME`.

    A region whose name is that of a command needs the long form.
    """

    default = "now"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, with the default command where they name none."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands, and the regions for the default one."""
        regions = RegionName().shell_complete(ctx, click.Argument(["name"]), incomplete)
        return [*super().shell_complete(ctx, incomplete), *regions]

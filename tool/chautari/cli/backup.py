"""`deploy backup`: back up now, list the backups, check them, and print the nodes' keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from chautari.backup import commands
from chautari.backup.commands import NodeResult
from chautari.backup.progress import ProgressPrinter
from chautari.backup.restricted_keys import authorized_keys_lines
from chautari.cli import recovery_sheet
from chautari.cli.default_command import GroupWithDefault
from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, node_option, region_argument
from chautari.cli.output import echo
from chautari.deploy.request import Request
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.report.backup_texts import size_text
from chautari.report.text_format import count_with_noun, duration_text, to_one_line


@click.group("backup", cls=GroupWithDefault)
def command() -> None:
    """Back up a region's nodes, list the backups, and check them.

    `deploy backup NAME` is short for `deploy backup now NAME`. The nodes also make a backup every
    night by themselves.
    """


@command.command("now")
@region_argument
@node_option
@identity_option
@json_option
def now(name: str, as_json: bool, **options: Any) -> int:
    """Back up the nodes of a region now, and show the progress.

    Before the upload starts, the command shows how much data will be read. The first backup uploads
    everything; later backups upload only what changed. A backup continues on its node even if you
    close this terminal. To follow it, enter the same command again.

    After the first backup, the key of each repository is stored in secrets.age. Commit this file:
    without the key and the passphrase in it, the backups cannot be read.
    """
    request = _make_request(name, "deploy backup", options)
    limit = request.loaded_region.region.backup
    printer = ProgressPrinter(_print_progress, limit.limit_kib if limit else 0)
    results = commands.back_up_now(request, printer.print_event)
    if as_json:
        return _print_results_as_json(request, results)
    for result in results:
        _print_failures(result)
        for target, item in result.targets.items():
            if item["ok"]:
                echo(
                    _(
                        "{node} to {target}: {describe_backup}",
                        node=result.node,
                        target=target,
                        describe_backup=_describe_backup(item),
                    )
                )
    if saved := [
        _("{node} in {target}", node=item.node, target=target)
        for item in results
        for target in item.saved_keys
    ]:
        file = request.loaded_region.secrets_file
        echo(
            _(
                "\n{file} now contains the backup keys of {saved}. Commit this file.",
                file=file,
                saved=", ".join(saved),
            )
        )
    return _exit_code(results)


@command.command("list")
@region_argument
@node_option
@identity_option
@json_option
def list_(name: str, as_json: bool, **options: Any) -> int:
    """List the backups of a region's nodes, by target."""
    request = _make_request(name, "deploy backup list", options)
    results = commands.list_archives(request)
    if as_json:
        return _print_results_as_json(request, results)
    for result in results:
        _print_failures(result)
        for target, item in result.targets.items():
            if not item["ok"]:
                continue
            echo(
                _(
                    "{node} to {target}: {backups}",
                    node=result.node,
                    target=target,
                    backups=count_with_noun(len(item["archives"]), "backup"),
                )
            )
            for archive in item["archives"]:
                echo(f"  {_local_time_text(archive['time'])}  {archive['name']}")
    return _exit_code(results)


@command.command("check")
@region_argument
@node_option
@identity_option
@json_option
def check(name: str, as_json: bool, **options: Any) -> int:
    """Check that the backup repositories of a region are intact.

    The command reads each repository completely, on the machine that stores it, so this can take
    hours. It repairs nothing. To test that a backup can be restored, use `deploy drill`.
    """
    request = _make_request(name, "deploy backup check", options)
    printer = ProgressPrinter(_print_progress)
    results = commands.check_repositories(request, printer.print_event)
    if as_json:
        return _print_results_as_json(request, results)
    for result in results:
        _print_failures(result)
        for target, item in result.targets.items():
            if item["ok"]:
                took = f" ({duration_text(item['seconds'])})" if item["seconds"] else ""
                echo(
                    _(
                        "{node} to {target}: the repository is intact{took}",
                        node=result.node,
                        target=target,
                        took=took,
                    )
                )
    return _exit_code(results)


@command.command("keys")
@region_argument
@node_option
@identity_option
@json_option
def keys(name: str, as_json: bool, **options: Any) -> int:
    """Print the public keys that the nodes use to log in to backup servers over SSH.

    Add the lines to `~/.ssh/authorized_keys` of the account on the server. If the server's provider
    accepts only keys, use only the part of each line that begins with ssh-ed25519. Peers receive
    the keys automatically.
    """
    request = _make_request(name, "deploy backup keys", options)
    region, found = request.loaded_region.region, commands.public_login_keys(request)
    lines = authorized_keys_lines(region, found)
    if as_json:
        print_json({"ok": True, "region": region.region, "keys": found, "authorized_keys": lines})
        return 0
    for target, of_target in lines.items():
        echo(f"# {target}")
        for line in of_target:
            echo(line)
    if not lines:
        for node, key in found.items():
            echo(f"{key} {region.region}/{node}")
    return 0


command.add_command(recovery_sheet.command)


def _make_request(name: str, verb: str, options: dict[str, Any]) -> Request:
    loaded_region = load_region(find_region_file(name, regions_root()))
    return Request(loaded_region, f"{verb} {loaded_region.region.region}", **options)


def _print_progress(line: str) -> None:
    echo(line, err=True)


def _print_results_as_json(request: Request, results: Sequence[NodeResult]) -> int:
    code = _exit_code(results)
    region = request.loaded_region.region.region
    nodes = [result.as_object() for result in results]
    print_json({"ok": code == 0, "region": region, "nodes": nodes})
    return code


def _exit_code(results: Sequence[NodeResult]) -> int:
    return 0 if all(result.ok for result in results) else 1


def _print_failures(result: NodeResult) -> None:
    if result.problem:
        text = _(
            "{node}: {reason}. Fix: {fix}",
            node=result.node,
            reason=result.problem.reason,
            fix=result.problem.fix,
        )
        echo(to_one_line(text))
    known = [item["error"] for item in result.targets.values()]
    if result.error and result.error not in known:
        echo(to_one_line(_("{node}: failed: {text}", node=result.node, text=result.error["text"])))
    for target, item in result.targets.items():
        if not item["ok"]:
            text = item["error"]["text"] if item["error"] else _("no reason was given")
            echo(
                to_one_line(
                    _(
                        "{node} to {target}: failed: {text}",
                        node=result.node,
                        target=target,
                        text=text,
                    )
                )
            )


def _describe_backup(item: dict[str, Any]) -> str:
    parts = []
    if item["bytes_sent"] is not None:
        parts.append(_("{bytes_sent} uploaded", bytes_sent=size_text(item["bytes_sent"])))
    if item["bytes_stored"] is not None:
        parts.append(_("{bytes_stored} stored", bytes_stored=size_text(item["bytes_stored"])))
    if item["paused_seconds"]:
        parts.append(
            _(
                "services paused for {paused_seconds}",
                paused_seconds=duration_text(item["paused_seconds"]),
            )
        )
    if item["seconds"] is not None:
        parts.append(_("in {seconds}", seconds=duration_text(item["seconds"])))
    return _("backed up ({parts})", parts=", ".join(parts)) if parts else _("backed up")


def _local_time_text(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return _("unknown time    ")

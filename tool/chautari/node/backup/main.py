"""The command line on the node: `chautari-backup`.

run [--target T]        back up now; the service of systemd does this
start                   start the service, and follow it
follow [--after N]      print the events of the newest run from line N on, until it has finished
list [--target T]       print the archives of each target
check [--target T]      check the repositories
export-key --target T   print the key of a repository
accept TARGET           use the repository that a target has now, without a restore
watch                   mail root when backups are missing
resume                  resume services that an interrupted backup left paused
status                  print what is remembered
reasons                 print why the newest run failed, for other programs on the node
borg TARGET ARGUMENTS   run borg with the settings of a target
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from chautari.node.backup import (
    borg,
    check,
    preconditions,
    repository,
    retention,
    run,
    start_and_follow,
    state_file,
)
from chautari.node.backup.error_texts import error_text
from chautari.node.backup.errors import BackupError
from chautari.node.backup.events import EventWriter, print_event
from chautari.node.backup.services import Pause
from chautari.node.backup.settings import SETTINGS, read_settings
from chautari.node.backup.watch import mail_new_problems

MAX_ARCHIVES = 1000
BUSY_EXIT = 75


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="chautari-backup", description="Back up this node.")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "list", "check"):
        command = commands.add_parser(name)
        command.add_argument("--target", action="append", default=[])
        command.add_argument("--wait", type=float, default=0.0, metavar="SECONDS")
    commands.add_parser("export-key").add_argument("--target", required=True)
    commands.add_parser("accept").add_argument("target")
    commands.add_parser("follow").add_argument("--after", type=int, default=0)
    for name in ("start", "watch", "resume", "status", "reasons"):
        commands.add_parser(name)
    command = commands.add_parser("borg")
    command.add_argument("target")
    command.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def back_up_command(arguments: argparse.Namespace) -> int:
    """Back up every target, or those that are named."""
    settings = read_settings(arguments.settings)
    chosen = tuple(settings.target(name) for name in arguments.target) or settings.targets
    place = run.ProgramFolders()
    with run.hold_lock(seconds=arguments.wait):
        run.stop_on_signals()
        events = EventWriter()
        limited = settings.with_targets(chosen)
        return 0 if run.back_up(limited, events, place, Pause(), settings.targets) else 1


def list_command(arguments: argparse.Namespace) -> int:
    """Print the archives of each target as one line of JSON."""
    settings = read_settings(arguments.settings)
    targets = [settings.target(name) for name in arguments.target] or list(settings.targets)
    found = {}
    for target in targets:
        error, archives = None, []
        try:
            if not target.is_remote:
                preconditions.require_mounted_writable_disk(target)
            archives = borg.list_complete_archives_by_age(settings, target)[-MAX_ARCHIVES:]
        except BackupError as problem:
            error = problem.as_object()
        found[target.name] = {
            "archives": [
                {"name": item["name"], "time": int(retention.start_time_in_archive_name(item))}
                for item in archives
            ],
            "error": error,
        }
    print_event("archives", targets=found)
    return 1 if any(item["error"] for item in found.values()) else 0


def check_command(arguments: argparse.Namespace) -> int:
    """Check the repositories."""
    settings = read_settings(arguments.settings)
    with run.hold_lock(seconds=arguments.wait):
        return 0 if check.check_repositories(settings, arguments.target) else 1


def export_key_command(arguments: argparse.Namespace) -> int:
    """Print the key of a repository, which opens it with the passphrase."""
    settings = read_settings(arguments.settings)
    target = settings.target(arguments.target)
    key, _ = borg.run_borg(settings, target, "key", "export", "::", "-")
    print_event("key", target=target.name, key=key)
    return 0


def accept_repository_command(arguments: argparse.Namespace) -> int:
    """Remember the repository that a target has now, and forget the earlier one."""
    settings = read_settings(arguments.settings)
    target = settings.target(arguments.target)
    found = repository.repository_id(settings, target)
    state_file.update_target(target.name, repository_id=found)
    return 0


def watch_command(arguments: argparse.Namespace) -> int:
    """Mail root when backups are missing."""
    mail_new_problems(read_settings(arguments.settings))
    return 0


def resume_paused_services_command(arguments: argparse.Namespace) -> int:
    """Resume services that an interrupted backup left paused, unless one is running."""
    with run.hold_lock(seconds=10):
        Pause().resume()
    return 0


def status_command(arguments: argparse.Namespace) -> int:
    """Print what is remembered."""
    print(json.dumps(state_file.read_state(), indent=1, sort_keys=True))
    return 0


def reasons_command(arguments: argparse.Namespace) -> int:
    """Print why the newest run failed, one line for each target."""
    print("\n".join(start_and_follow.failure_reasons()))
    return 0


def exec_borg_command(given: argparse.Namespace) -> int:
    """Replace this process by borg, with the environment for a target."""
    settings = read_settings(given.settings)
    env = borg.borg_environment(settings, settings.target(given.target))
    arguments = [item for item in given.arguments if item != "--"]
    os.execve(borg.BORG, [borg.BORG, *arguments], env)
    return 1


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": back_up_command,
    "start": lambda given: start_and_follow.start_and_follow(),
    "follow": lambda given: start_and_follow.follow_events(given.after),
    "list": list_command,
    "check": check_command,
    "export-key": export_key_command,
    "accept": accept_repository_command,
    "watch": watch_command,
    "resume": resume_paused_services_command,
    "status": status_command,
    "reasons": reasons_command,
    "borg": exec_borg_command,
}


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    given = parse_arguments(arguments)
    try:
        return COMMANDS[given.command](given)
    except BrokenPipeError:
        # The reader of the output has ended, such as a connection that was lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BackupError as error:
        print_event("finished", ok=False, error=error.as_object())
        print(error_text(error.code, error.data), file=sys.stderr)
        return BUSY_EXIT if error.code == "already_running" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

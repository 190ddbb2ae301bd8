"""The command line on a node that stores backups of peers: `chautari-backup-space`.

tend                     check, copy and compact all repositories; a timer does this every night
list PEER/NODE           print the transactions of a repository, with their times
rollback PEER/NODE N DIR make a copy in DIR as the repository was after transaction N
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chautari.node.backup_space import copies
from chautari.node.backup_space.maintenance import maintain_all_repositories
from chautari.node.backup_space.settings import SETTINGS, SpaceForPeerNode, read_spaces

TRANSACTIONS = "transactions"


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="chautari-backup-space",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tend")
    commands.add_parser("list").add_argument("space", metavar="PEER/NODE")
    command = commands.add_parser("rollback")
    command.add_argument("space", metavar="PEER/NODE")
    command.add_argument("transaction", type=int, metavar="N")
    command.add_argument("folder", type=Path, metavar="DIR")
    given = parser.parse_args(arguments)
    spaces = read_spaces(given.settings)
    if given.command == "tend":
        return maintain_all_repositories(spaces)
    found = [space for space in spaces if space.name == given.space]
    if not found:
        names = ", ".join(space.name for space in spaces)
        print(
            f"{given.space} has no space on this node. Fix: choose one of: {names}", file=sys.stderr
        )
        return 2
    if given.command == "list":
        return list_transactions(found[0])
    return copy_as_of_transaction(found[0], given.transaction, given.folder)


def list_transactions(space: SpaceForPeerNode) -> int:
    """Print when the repository changed: borg writes this for repositories that only grow."""
    try:
        print((space.repository / TRANSACTIONS).read_text(), end="")
    except OSError:
        print("The repository has no transactions yet.", file=sys.stderr)
        return 1
    return 0


def copy_as_of_transaction(space: SpaceForPeerNode, transaction: int, folder: Path) -> int:
    """Make a copy of the repository as it was after a transaction; the repository stays."""
    if folder.exists():
        print(
            f"{folder} already exists. Fix: write the name of a new folder on the same disk.",
            file=sys.stderr,
        )
        return 2
    folder.mkdir(parents=True, mode=0o700)
    copies.copy_repository_by_hard_links(space.repository, folder, transaction)
    print(f"{folder} now contains the repository as it was after transaction {transaction}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

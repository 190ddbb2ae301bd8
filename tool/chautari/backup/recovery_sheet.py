"""The recovery sheet: the page on paper with which a stranger brings a region back from nothing."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from chautari.backup.paper_key import paper_key_lines
from chautari.backup.restore_order import NodeContextSource, present_or_past_backup_variables
from chautari.backup.scope import nodes_with_backup
from chautari.backup.secrets import borg_key_name, login_key_name, passphrase_name
from chautari.language import _, in_language_of
from chautari.region.model import Region
from chautari.secrets.store import SecretStore

WIDTH = 80
KEY_COLUMNS = 72


class Repository(NamedTuple):
    """A repository of a node: its target, its address and its line of known_hosts."""

    target: str
    repository: str
    mount: str = ""


def recovery_sheet(context: NodeContextSource, secrets: SecretStore, now: float) -> str:
    """Return the page in the region's language, in lines of at most 80 characters."""
    region = context.loaded_region.region
    with in_language_of(region.languages):
        lines = [*_title_and_warning_lines(region, now), *_region_recovery_steps(region)]
        lines += _lines_without_the_region()
        for node in nodes_with_backup(region):
            lines += _node_recovery_section(context, node, secrets)
    return "\n".join(lines).rstrip() + "\n"


def _title_and_warning_lines(region: Region, now: float) -> Iterator[str]:
    title = _("RECOVERY SHEET OF THE REGION {region}", region=region.region.upper())
    yield from ("=" * WIDTH, title.center(WIDTH).rstrip(), "=" * WIDTH, "")
    yield from _wrapped_paragraph(
        _(
            "SECRET. Anyone who has this page can read all data of the region's members. Keep it "
            "on paper, in a closed envelope, at two places that are far apart. Print it again "
            "after each change of the nodes, of the targets or of the keys."
        )
    )
    yield _("Printed on {date}.", date=time.strftime("%Y-%m-%d", time.gmtime(now)))
    yield _("Domain: {domain}", domain=region.domain)
    yield from _wrapped_paragraph(_("Contact: {contact}", contact=region.contact))
    yield from ("", _("Nodes:"))
    for name, node in region.nodes.items():
        services = ", ".join(node.services) or _("no services")
        yield from _wrapped_paragraph(f"{name}  {node.address}  {node.os}  {services}", "  ")
    yield ""


def _region_recovery_steps(region: Region) -> Iterator[str]:
    name = region.region
    yield from _section_heading(_("A. With the inventory repository and the key of an operator"))
    steps = (
        (_("Install the toolkit on any machine, and get the folder inventories/{region} from git.",
           region=name), ()),
        (_("Rent new machines. Write their addresses and, if they changed, their operating "
           "systems into inventories/{region}/region.yml. Point the DNS names to the new "
           "machines.", region=name), ()),
        (_("Delete the host keys of the lost machines from inventories/{region}/known_hosts.",
           region=name), ()),
        (_("Deploy the region. This installs the services, without data."),
         (f"deploy region {name}",)),
        (_("Restore the newest backup of each node. The backups are read from {target}. If this "
           "target is lost as well, add --from TARGET.", target=_first_backup_target(region)),
         (f"deploy restore {name}",)),
        (_("Run all checks again, and log in."), (f"deploy verify {name}",)),
    )  # fmt: skip
    for number, (text, commands) in enumerate(steps, 1):
        yield from _wrapped_paragraph(f"{number}. {text}")
        yield from (f"       {command}" for command in commands)
    yield ""


def _lines_without_the_region() -> Iterator[str]:
    yield from _section_heading(_("B. With this page only"))
    yield from _wrapped_paragraph(
        _(
            "To read the backups, you need the program borg (Debian package borgbackup), a "
            "passphrase and a login key. The pages below contain the passphrase and the login key "
            "of each node. The archives contain the files of the services, their databases "
            "(run/chautari-backup/databases) and a list of the content "
            "(run/chautari-backup/manifest.json)."
        )
    )
    yield ""
    yield from _wrapped_paragraph(
        _(
            "Type the passphrase, the login key and the host keys of the node into three files. "
            "Except for the login key, a value that fills several lines here is one line in its "
            "file."
        )
    )
    yield from (
        "",
        "       chmod 600 passphrase login_key known_hosts",
        "       export BORG_PASSCOMMAND='cat passphrase'",
        "       export BORG_RSH='ssh -i login_key -o UserKnownHostsFile=known_hosts'",
        "       borg list REPOSITORY",
        "       borg extract REPOSITORY::ARCHIVE",
        "",
    )
    yield from _wrapped_paragraph(
        _(
            "If the repository reports that its key is missing or damaged, enter the lines of the "
            "repository key. Each line ends with a checksum, so a typing error is found at once."
        )
    )
    yield from ("", "       borg key import --paper REPOSITORY", "")
    yield from _wrapped_paragraph(
        _(
            "Then deploy new services as in A with new secrets (deploy secrets init), and load "
            "files and databases by hand: docs/disaster-recovery.md says how."
        )
    )
    yield ""


def _first_backup_target(region: Region) -> str:
    return region.backup.to[0] if region.backup and region.backup.to else _("the first target")


def _node_recovery_section(
    context: NodeContextSource, node: str, secrets: SecretStore
) -> Iterator[str]:
    variables = present_or_past_backup_variables(context, node, node)
    settings = variables["backup_settings"]
    yield from _section_heading(_("Node {node}", node=node))
    yield _("Passphrase:")
    yield from _fixed_width_lines(_secret_or_note(secrets, passphrase_name(node)))
    yield ""
    yield _("Login key:")
    yield from _secret_or_note(secrets, login_key_name(node)).splitlines()
    yield ""
    for item in settings["targets"]:
        yield _("Repository in {target}:", target=item["name"])
        yield from _fixed_width_lines(item["repository"])
        if item.get("mount"):
            yield from _wrapped_paragraph(
                _(
                    "This repository is on the disk that the node mounts at {path}.",
                    path=item["mount"],
                )
            )
        yield _("Key of this repository:")
        yield from _paper_key_lines_of_secret(secrets, borg_key_name(node, item["name"]))
        yield ""
    if lines := variables["backup_known_hosts"]:
        yield _("Host keys of the servers:")
        for line in lines:
            yield from _fixed_width_lines(line)
        yield ""


def repositories_without_stored_key(context: NodeContextSource, secrets: SecretStore) -> list[str]:
    """Return the repositories whose key is not in the secrets yet."""
    return [
        _("{node} in {target}", node=node, target=item["name"])
        for node in nodes_with_backup(context.loaded_region.region)
        for item in _targets_of_node(context, node)
        if borg_key_name(node, item["name"]) not in secrets
    ]


def _targets_of_node(context: NodeContextSource, node: str) -> Sequence[Mapping[str, str]]:
    found: Sequence[Mapping[str, str]] = present_or_past_backup_variables(context, node, node)[
        "backup_settings"
    ]["targets"]
    return found


def _section_heading(title: str) -> Iterator[str]:
    yield from (title, "-" * len(title), "")


def _wrapped_paragraph(text: str, indent: str = "") -> Iterator[str]:
    """Yield a text in short lines; those of a numbered step are below its first word."""
    hanging = "   " if text[:1].isdigit() else indent
    yield from textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=hanging,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _secret_or_note(secrets: SecretStore, name: str) -> str:
    return (
        secrets[name].strip() if name in secrets else _("(not in secrets.age: {name})", name=name)
    )


def _paper_key_lines_of_secret(secrets: SecretStore, name: str) -> Iterator[str]:
    if name not in secrets:
        yield "  " + _("(not in secrets.age yet: {name})", name=name)
        return
    yield from (f"  {line}" for line in paper_key_lines(secrets[name]))


def _fixed_width_lines(text: str) -> Iterator[str]:
    """Yield a text that must be copied exactly, in short lines without a break at spaces."""
    for start in range(0, len(text), KEY_COLUMNS):
        yield f"  {text[start : start + KEY_COLUMNS]}"

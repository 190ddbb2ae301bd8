"""`deploy init [NAME]`: the files of a new region, from questions or options."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chautari import __version__
from chautari.cli.init_questions import InitOptions, NewRegionFiles, collect_answers
from chautari.cli.json_output import print_json
from chautari.cli.options import SSHKeyFile, identity_option, json_option
from chautari.cli.output import echo
from chautari.cli.text_checked_like_region_file import CheckedText
from chautari.files import exists_or_is_dangling_link
from chautari.language import _, for_people
from chautari.paths import content_root
from chautari.region import field_types
from chautari.region.locate import REGION_FILE
from chautari.region.names import validate_name
from chautari.region_setup import answers, new_files
from chautari.region_setup.region_text import region_file_text
from chautari.region_setup.toolkit_source import ToolkitSource, toolkit_source
from chautari.report import region_setup_texts
from chautari.secrets import merge_driver

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_OPTIONS: tuple[Decorator, ...] = (
    click.argument("name", required=False, type=CheckedText("NAME", validate_name)),
    click.option(
        "--domain", type=CheckedText("DOMAIN", field_types.validate_domain),
        help="Domain of the region.",
    ),
    click.option(
        "--contact", type=CheckedText("MAIL", field_types.validate_email),
        help="Mail address of the operators.",
    ),
    click.option(
        "--country", type=CheckedText("CODE", field_types.check_country),
        help="Two-letter code of the country.",
    ),
    click.option(
        "--timezone", type=CheckedText("ZONE", field_types.validate_timezone),
        help="Time zone of the nodes. Default: the country's.",
    ),
    click.option(
        "--language", "languages", multiple=True,
        type=CheckedText("CODE", field_types.check_language),
        help="Language of the users. Repeat this option for more languages, the most important "
        "one first.",
    ),
    click.option(
        "--bandwidth", type=click.Choice(["normal", "low"]),
        help="Use `low` if many people have slow connections. Default: normal.",
    ),
    click.option(
        "--operator", type=CheckedText("NAME", validate_name),
        help="Name of the first operator. Default: the name in the key's comment, or your account.",
    ),
    click.option(
        "--key", "key_file", metavar="FILE", type=SSHKeyFile(dir_okay=False, path_type=Path),
        help="File with the operator's public SSH key. Default: a key in ~/.ssh or in the agent.",
    ),
    click.option(
        "--node", "nodes", multiple=True,
        type=CheckedText("NAME=[USER@]ADDRESS[:PORT][,os=OS]", answers.parse_node),
        help="A machine. You can repeat this option.",
    ),
    click.option(
        "--service", "services", multiple=True,
        type=CheckedText("SERVICE[@NODE]", answers.parse_service),
        help="A service. Add a node to choose where the service runs. You can repeat this "
        "option.",
    ),
    click.option(
        "--relay", type=CheckedText("HOST[:PORT]", answers.parse_relay), help="The mail relay.",
    ),
    click.option(
        "--relay-user", type=CheckedText("ACCOUNT", answers.check_relay_account),
        help="Account on the mail relay. Its password is set later.",
    ),
    click.option(
        "--mail-from", type=CheckedText("MAIL", field_types.validate_email),
        help="Sender address of the region's services.",
    ),
    click.option("--no-look", is_flag=True, help="Do not connect to the machines."),
    click.option(
        "--folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the region's repository. Default: the current folder.",
    ),
    click.option(
        "--ci", type=click.Choice(region_setup_texts.FORGES), default="github", show_default=True,
        help="The CI system that checks region.yml after each push.",
    ),
    click.option("--yes", is_flag=True, help="Ask no questions; run the services on the "
    "proposed nodes."),
    identity_option,
    json_option,
)  # fmt: skip


def _add_init_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("init")
@_add_init_options
def command(folder: Path | None, ci: str, yes: bool, as_json: bool, **given: Any) -> int:
    """Create the files of a new region: region.yml, and the files of its repository.

    The command asks for the values that you do not give as options. It inspects the machines over
    SSH and proposes a machine for each service. It changes nothing on the machines. It does not
    replace existing files, and it writes nothing before the last question.

    \b
    deploy init
    deploy init andes --domain andes.example.org --contact ops@andes.example.org \\
        --node bog1=root@203.0.113.10 --service SERVICE --relay smtp.example.org \\
        --relay-user andes --mail-from cloud@andes.example.org --yes
    """
    asks = sys.stdin is not None and sys.stdin.isatty() and not (yes or as_json)
    try:
        found = collect_answers(
            InitOptions(**given), asks, lambda name: _refuse_existing_region(folder, name)
        )
        source = toolkit_source()
        files, kept = _files_to_write_and_keep(found, folder, ci, source)
        if asks:
            _confirm_files_to_write(files)
        new_files.write_new_files(files)
        _install_merge_driver(folder)
    except (KeyboardInterrupt, click.Abort):
        echo(_("\nNothing was written."), err=True)
        raise
    steps = _next_commands(found, folder)
    if as_json:
        requirement = source.requirement
        print_json(_init_result_object(found, files, kept, steps) | {"toolkit": requirement})
    else:
        needs_wheel = source.is_wheel and ci != "none"
        _print_init_result(found, files, kept, steps, source.requirement if needs_wheel else "")
    return 0


def _install_merge_driver(folder: Path | None) -> None:
    """Let git merge secrets.age, if the folder is in a repository already; see `doctor`."""
    repository = merge_driver.repository_of(folder or Path())
    if repository is not None and repository.resolve() != content_root():
        merge_driver.install(repository)


def _confirm_files_to_write(files: dict[Path, str]) -> None:
    for file in files:
        echo(f"  {file}", err=True)
    click.confirm(_("Write these files?"), default=True, abort=True, err=True)


def _path_of_new_region_file(folder: Path | None, name: str) -> Path:
    """Return where the `region.yml` goes: where the other commands look for it."""
    named = os.environ.get("CHAUTARI_INVENTORIES")
    root = Path(named) if named and folder is None else (folder or Path()) / "inventories"
    return root / name / REGION_FILE


def _refuse_existing_region(folder: Path | None, name: str) -> None:
    """Refuse the name of a region that exists already."""
    file = _path_of_new_region_file(folder, name)
    fix = _("choose another name; or change this file, then run: deploy validate {name}", name=name)
    new_files.refuse_existing(file, fix)


def _files_to_write_and_keep(
    new_region: NewRegionFiles, folder: Path | None, ci: str, source: ToolkitSource
) -> tuple[dict[Path, str], list[Path]]:
    """Return the texts by file, and the files that exist and are kept."""
    name, repository = new_region.answers.name, folder or Path()
    with for_people():
        text = region_file_text(new_region.proposal, new_region.machines)
    new_files.check_region_text(name, text, _("correct these options, then run the command again"))
    file = _path_of_new_region_file(folder, name)
    files, kept = {file: text}, []
    data = {
        "region": name,
        "domain": new_region.answers.domain,
        "contact": new_region.answers.contact,
        "folder": str(file.parent if file.is_absolute() else file.relative_to(repository).parent),
        "version": __version__,
        "toolkit_requirement": source.requirement,
        "wheel": Path(source.requirement).name if source.is_wheel else "",
    }
    # The toolkit's own repository has such files for itself.
    if repository.resolve() != content_root():
        with for_people():
            contents = region_setup_texts.repository_files(data, ci)
        for path, content in contents.items():
            if exists_or_is_dangling_link(repository / path):
                kept.append(repository / path)
            else:
                files[repository / path] = content
    return files, kept


def _next_commands(new_region: NewRegionFiles, folder: Path | None) -> list[str]:
    """Return the three commands that follow."""
    name = new_region.answers.name
    first = f"deploy secrets set {name} mail_relay_password"
    if new_region.answers.mail is None:
        first = f"deploy validate {name}"
    if folder is not None and folder.resolve() != Path.cwd():
        first = f"cd {shlex.quote(str(folder))} && {first}"
    return [first, f"deploy dns {name} --wait", f"deploy plan {name}"]


def _init_result_object(
    new_region: NewRegionFiles, files: dict[Path, str], kept_files: list[Path], steps: list[str]
) -> dict[str, Any]:
    return {
        "ok": True,
        "region": new_region.answers.name,
        "files": list(map(str, files)),
        "kept": list(map(str, kept_files)),
        "machines": new_region.machines_as_json_objects(),
        "placements": new_region.placement_objects(),
        "postponed": [item._asdict() for item in new_region.proposal.postponed],
        "next_steps": steps,
    }


def _print_init_result(
    new_region: NewRegionFiles,
    files: dict[Path, str],
    kept_files: list[Path],
    steps: list[str],
    wheel: str,
) -> None:
    for file in files:
        echo(_("Wrote {file}", file=file))
    for file in kept_files:
        echo(_("Kept {file}, which already existed", file=file))
    if new_region.proposal.postponed:
        echo(_("For each service that does not run yet, region.yml contains the reason."))
    if wheel:
        echo(
            _(
                "The CI job needs {wheel}. The comment in the file of the CI job says how to "
                "build it.",
                wheel=wheel,
            )
        )
    echo(_("\nNext steps:"))
    for number, step in enumerate(steps, 1):
        echo(f"  {number}. {step}")

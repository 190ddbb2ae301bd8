"""`deploy doctor`: checks this machine for missing tools and shows how to install them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import json_option
from chautari.cli.output import echo
from chautari.language import N_, _
from chautari.paths import content_root, regions_root
from chautari.render import provider
from chautari.render.provider import DoctorFinding
from chautari.secrets import merge_driver


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Check this machine for the tools that a deploy and the sandbox need.

    For each missing tool, the command shows how to install it.
    """
    found = [_check_ssh_client(), *_set_up_merge_driver_if_wanted(), *_check_sandbox()]
    if as_json:
        ok = all(item.ok for item in found)
        print_json({"ok": ok, "findings": [item._asdict() for item in found]})
    else:
        for item in found:
            state = _("ok") if item.ok else _("MISSING")
            echo(f"{state:<7} {_(item.name)}: {item.detail}")
            if not item.ok:
                echo(_("        Fix: {fix}", fix=item.fix))
    return 0 if all(item.ok for item in found) else 1


def _check_ssh_client() -> DoctorFinding:
    found = shutil.which("ssh")
    if found:
        return DoctorFinding("ssh", True, found)
    fix = "apt-get install -y openssh-client"
    return DoctorFinding(
        "ssh", False, _("not installed, so this machine cannot connect to any node"), fix
    )


def _set_up_merge_driver_if_wanted() -> Iterator[DoctorFinding]:
    """Set up the merge of secrets.age in this clone, if the repository asks for it."""
    root = regions_root()
    repository = merge_driver.repository_of(root)
    if repository is None or repository.resolve() == content_root():
        return
    name = _("merge driver for secrets.age")
    if not merge_driver.is_wanted(root):
        detail = _(
            "not set up in {repository}; only a region with several operators needs it. "
            "To set it up, run: deploy secrets install-merge",
            repository=repository,
        )
        yield DoctorFinding(name, True, detail)
        return
    detail = _("set up in {repository}", repository=repository)
    if not merge_driver.is_installed(repository):
        merge_driver.install(repository)
        detail = _("now {detail}", detail=detail)
    yield DoctorFinding(name, True, detail)


def _check_sandbox() -> Sequence[DoctorFinding]:
    sandbox = provider.find_provider()
    if sandbox is not None:
        return sandbox.doctor_findings()
    detail = _(
        "not installed; only regions in containers, such as demo, need it. To install "
        "it, run: {install_step}",
        install_step=provider.install_step(),
    )
    return [DoctorFinding(N_("sandbox"), True, detail)]

"""`make demo-federation`: create two regions that trust each other, and show what that means."""

from __future__ import annotations

import sys

import click

from chautari.cli import json_output
from chautari.cli.json_output import print_json
from chautari.cli.options import json_option
from chautari.cli.output import echo
from chautari.deploy.region_report import sandbox_hosts_file_lines
from chautari.errors import ChautariError
from chautari.files import remove_folder
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari_sandbox import api
from chautari_sandbox.demo_federation import regions
from chautari_sandbox.demo_federation.regions import DemoRegion
from chautari_sandbox.demo_federation.steps import (
    DemoRun,
    ca_file_of,
    refuse_same_names_from_other_folders,
    use_sandbox_resolver_in_this_process,
)


@click.command()
@click.option(
    "--third",
    is_flag=True,
    help="Let a third region join; each side adds one line to its region.yml.",
)
@click.option("--leave", is_flag=True, help="At the end, let the two regions leave each other.")
@click.option("--down", is_flag=True, help="Only remove the demo's containers and regions.")
@click.option(
    "--mirror", metavar="DIR", type=click.Path(exists=True, file_okay=False),
    help="Serve upstream's real release archives from this folder.",
)  # fmt: skip
@json_option
def run_demo(third: bool, leave: bool, down: bool, mirror: str | None, as_json: bool) -> None:
    """Create two regions in containers, let them trust each other, and share a file.

    A second call creates nothing twice.
    """
    all_three = regions.demo_regions(regions_root())
    regions.refuse_other_folders(all_three)
    refuse_same_names_from_other_folders(all_three)
    if down:
        remove_regions(all_three)
        if as_json:
            print_json({"steps": []})
        return
    deployed = all_three if third else all_three[:2]
    demonstration = DemoRun(("--mirror", mirror) if mirror else ())
    run_demo_steps(demonstration, all_three, third=third, leave=leave)
    if as_json:
        print_json({"steps": [step._asdict() for step in demonstration.steps]})
    else:
        echo(summary_text(demonstration, deployed, left=leave))


def run_demo_steps(
    demonstration: DemoRun,
    all_three: tuple[DemoRegion, DemoRegion, DemoRegion],
    *,
    third: bool,
    leave: bool,
) -> None:
    """Do all steps in their order."""
    one, other, newcomer = all_three
    demonstration.start_sandboxes((one, other))
    use_sandbox_resolver_in_this_process(one)
    demonstration.deploy((one, other))
    demonstration.federate(((one, other),))
    demonstration.share_read_and_unshare_file((one, other))
    demonstration.check_front_pages_name_each_other(((one, other),))
    if third:
        demonstration.start_sandboxes((newcomer,))
        demonstration.deploy((newcomer,))
        pairs = ((newcomer, one), (newcomer, other))
        demonstration.federate(pairs)
        demonstration.share_read_and_unshare_file((newcomer, other))
        demonstration.check_front_pages_name_each_other(pairs)
    if leave:
        demonstration.leave((one, other))


def summary_text(demonstration: DemoRun, deployed: tuple[DemoRegion, ...], *, left: bool) -> str:
    """Return what was done, and what a person should look at."""
    lines = ["", "What was done:"]
    lines += [f"  {step.seconds:6.0f} s  {step.title}" for step in demonstration.steps]
    lines += ["", "What to look at (in a browser on this machine):"]
    for region in deployed:
        lines.append(f"  https://{region.domain}/   front page of {region.name}")
        lines.append(
            f"  https://{region.cloud}/   log in as {region.person}; the password is in "
            f"{region.folder / region.person}.password"
        )
    hosts = [
        line
        for region in deployed
        for line in sandbox_hosts_file_lines(load_region(region.file).region)
    ]
    lines += ["", "A browser needs these lines in /etc/hosts:", *(f"  {line}" for line in hosts)]
    lines.append(f"and these authorities: {ca_file_of(deployed[0])}")
    one, other = deployed[:2]
    lines += [
        "",
        f"{one.name} and {other.name} "
        + ("left each other again." if left else "trust each other now."),
        f"  deploy federation status {one.name}   shows the state of {one.name}'s peers",
        "  make demo-federation ARGS=--third   lets a third region join",
        "  make demo-federation ARGS=--leave   lets the two regions leave each other",
        "  make demo-federation ARGS=--down    removes the containers and these regions",
    ]
    return "\n".join(lines)


def remove_regions(all_three: tuple[DemoRegion, ...]) -> None:
    """Remove the containers and the folders of the regions that the demo wrote."""
    for region in filter(regions.is_own_folder, all_three):
        api.remove_sandbox(region.name, purge=True)
        remove_folder(region.folder)
        echo(f"{region.name} was removed.", err=True)


def main() -> int:
    """Run the demo and return its exit code, with the reason if a step fails."""
    try:
        run_demo.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        echo("\nInterrupted. Run the demo again to continue.", err=True)
        return 130
    except ChautariError as error:
        echo(f"\nThe demo stopped: {error}", err=True)
        if json_output.is_json_requested(sys.argv[1:]):
            json_output.print_error(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Sources of apt that others wrote: found by their address, disabled after the copy."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from jitsi_samples import MEETING
from region_samples import load_sample_region

from chautari.preflight import existing_state
from chautari.prepare import child_process

ADDRESS = "download.jitsi.org"
HANDBOOK = f"deb [signed-by=/usr/share/keyrings/jitsi-keyring.gpg] https://{ADDRESS} stable/"
DEBIAN = "Types: deb\nURIs: http://deb.example.org/debian\nSuites: bookworm\nComponents: main\n"
STANZA = f"Types: deb\nURIs: http://deb.example.org/x\n  https://{ADDRESS}/\nSuites: stable/\n"
OURS = f"{STANZA}Signed-By: /etc/apt/keyrings/chautari-jitsi.asc\n"

# Name and text of a file, and its text after the entries of the address were disabled.
CASES = {
    "of the handbook": ("jitsi-stable.list", HANDBOOK, f"# {HANDBOOK}"),
    "in another file": ("../sources.list", f"deb http://deb.example.org/debian bookworm main\n"
                        f" deb-src  [ a=b ] http://{ADDRESS}/   unstable/",
                        f"deb http://deb.example.org/debian bookworm main\n"
                        f"#  deb-src  [ a=b ] http://{ADDRESS}/   unstable/"),
    "commented": ("meet.list", f"#{HANDBOOK}\n", ""),
    "named in a comment": ("meet.list", f"deb https://deb.example.org x # https://{ADDRESS}\n", ""),
    "longer address": ("meet.list", f"deb https://{ADDRESS}/other x main\n", ""),
    "stanza": ("meet.sources", f"# Debian\n\n\n{DEBIAN}\n# meetings\n{STANZA}",
               f"# Debian\n\n\n{DEBIAN}\nEnabled: no\n# meetings\n{STANZA}"),
    "stanza that was enabled": ("meet.sources", f"Enabled: yes\n{STANZA}\n{DEBIAN}",
                                f"Enabled: no\n{STANZA}\n{DEBIAN}"),
    "stanza that was disabled": ("meet.sources", f"{DEBIAN}\n{STANZA}Enabled: no\n", ""),
    "ours": ("jitsi.sources", OURS, ""),
}  # fmt: skip


def run(root: Path, calls: str) -> list[str]:
    """Run functions of the preflight on a machine whose files are below `root`."""
    functions = existing_state._FUNCTIONS + existing_state._COPY_FUNCTIONS
    script = re.sub(r"(?<=[ =])/(etc|var)/", rf"{root}/\1/", functions) + calls
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=True)
    return done.stdout.replace(str(root), "").splitlines()


@pytest.mark.parametrize("case", CASES)
def test_source_of_an_address_is_found_and_disabled(case: str, tmp_path: Path) -> None:
    name, before, after = CASES[case]
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    file = (folder / name).resolve()
    file.write_text(before)
    report = f"report_existing_sources repository deb.nodesource.com/node_22.x {ADDRESS}\n"
    shown = f"/{file.relative_to(tmp_path)}"
    expected = [f"existing=repository apt: {ADDRESS} in {shown}"] if after else []
    assert run(tmp_path, report) == expected
    if after:
        run(tmp_path, f"mkdir -p $adopted; adopt_source {file} {ADDRESS}\n")
        assert file.read_text().rstrip("\n") == after.rstrip("\n")
        assert run(tmp_path, report) == []


def test_adopted_source_is_copied_before_it_is_disabled() -> None:
    item = f"apt: {ADDRESS} in /etc/apt/sources.list.d/meet.list"
    script = existing_state.script_to_copy_adopted([("repository", item)])
    *_, copy, disable = script.splitlines()
    assert copy == "adopt_paths /etc/apt/sources.list.d/meet.list"
    assert disable == f"adopt_source /etc/apt/sources.list.d/meet.list {ADDRESS}"
    hostile = existing_state.script_to_copy_adopted(
        [("repository", "apt: x; reboot in /etc/apt/y")]
    )
    assert "reboot" not in hostile


def test_machine_is_asked_for_the_sources_that_its_services_need(tmp_path: Path) -> None:
    region = load_sample_region(tmp_path, MEETING).region
    items = child_process._takeovers_of_role_on_node(region, "cal1", "repository", "debian-12")
    assert items == [f"apt:{ADDRESS}", "/etc/apt/sources.list.d/jitsi.sources"]
    script = existing_state.existing_state_script({"repository": items})
    assert f"report_existing_sources repository {ADDRESS}\n" in script

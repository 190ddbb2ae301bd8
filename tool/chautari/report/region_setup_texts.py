"""The texts of `deploy init`: reasons of the proposal, comments, and the repository's files."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chautari.language import Text, _
from chautari.report.message_templates import Data, Template, fill_template
from chautari.report.text_format import to_one_line

_FILES = Path(__file__).with_name("templates") / "region"
_WIDTH = 98
MAX_OS = 40  # characters of what a machine calls its system
HOST_KEY_NOTE: Text = "Compare this with the host key that the provider's console shows."

_REASONS: dict[str, Template] = {
    "chosen": "Runs on {node}, as you chose.",
    "only_node": "Runs on {node}, the only node.",
    "only_fit": "Runs on {node}, because it does not fit on {others} ({reasons}).",
    "most_memory": "Runs on {node}, which has the most free memory ({free_mb} MB).",
    "fewest_services": "Runs on {node}, which has the fewest services.",
}


def region_file_comment(region: str) -> str:
    """Return the comment at the top of a new `region.yml`."""
    return _(
        "The region {region}. You can change every value later.\n"
        "To see what a key means: deploy explain KEY\n"
        "After each change: deploy validate {region}; deploy plan {region}; deploy "
        "region {region}",
        region=region,
    )


def machine_comment(machine: Data) -> str:
    """Return what was seen on a machine, for a comment."""
    if not machine["reached"]:
        return _("This machine was not reached when this file was written. Check os and user.")
    os, arch = to_one_line(machine["os"])[:MAX_OS], machine["arch"] or _("unknown processor")
    return _(
        "Seen: {os}, {arch}, {cores} cores, {memory_mb} MB of memory.",
        os=os,
        arch=arch,
        cores=machine["cores"],
        memory_mb=machine["memory_mb"],
    )


NOT_REACHED: Text = "not reached"


def placement_reason(code: str, data: Data) -> str:
    """Return why a service runs on its node."""
    return fill_template(_REASONS.get(code), code, data)


def postponed_text(title: str, reasons: Sequence[str]) -> str:
    """Return that a service does not run yet, and why."""
    return "\n".join(
        [
            _("{title} does not run on any node yet:", title=title),
            *(f"- {text}" for text in reasons),
        ]
    )


def toolkit_note(is_wheel: bool, version: str, indent: str) -> str:
    """Return from where the CI job installs Chautari, as comments."""
    if not is_wheel:
        texts = [
            _(
                "No package index contains Chautari, so it is installed from a revision of its "
                "repository."
            ),
            _("After an update of Chautari, write the new revision here."),
        ]
    else:
        texts = [
            _(
                "No package index contains Chautari, so its wheel must be in this repository. In "
                "a clone of Chautari, run `make wheels`, and copy {wheel} to wheels/.",
                wheel=f"dist/chautari-{version}-py3-none-any.whl",
            ),
            _("If Chautari is in a public git repository, you can write this instead:"),
            '"chautari @ git+https://git.example.org/chautari.git@REVISION"',
        ]
    return "\n".join(
        textwrap.fill(
            text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ",
            break_long_words=False, break_on_hyphens=False,
        )
        for text in texts
    )  # fmt: skip


def repository_files(data: dict[str, str], ci: str) -> dict[str, str]:
    """Return the files of the region's repository, by their path; `ci` names the forge."""
    names = {
        ".gitignore": "gitignore.j2",
        ".gitattributes": "gitattributes.j2",
        "README.md": "readme.md.j2",
    }
    names |= _CI_FILES[ci]
    indent = " " * (4 if ci == "gitlab" else 6)
    values = {
        **data,
        "toolkit_note": toolkit_note(bool(data["wheel"]), data["version"], indent),
        "has_job": bool(_CI_FILES[ci]),
    }
    environment = Environment(
        loader=FileSystemLoader(_FILES), undefined=StrictUndefined, keep_trailing_newline=True,
        autoescape=False,  # these files are Markdown, YAML and plain text
    )  # fmt: skip
    environment.globals["_"] = _
    return {path: environment.get_template(name).render(values) for path, name in names.items()}


_CI_FILES = {
    "github": {".github/workflows/validate.yml": "actions.yml.j2"},
    "forgejo": {".forgejo/workflows/validate.yml": "actions.yml.j2"},
    "gitlab": {".gitlab-ci.yml": "gitlab.yml.j2"},
    "none": {},
}
FORGES = tuple(_CI_FILES)

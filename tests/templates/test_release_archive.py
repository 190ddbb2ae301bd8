"""Which releases the role release_archive deletes, evaluated by Ansible's templar."""

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from templates import ROLES

VARS = yaml.safe_load((ROLES / "release_archive" / "vars" / "main.yml").read_text())


def found_by_age(folder: str, names: str) -> dict[str, Any]:
    """Return what the module `find` reports of some names, the oldest first."""
    listed = enumerate(names.split())
    return {
        "files": [
            {"path": f"{folder}/{name}", "isdir": True, "ctime": age, "mtime": age}
            for age, name in listed
        ]
    }


@pytest.mark.parametrize(
    ("releases", "proofs", "current", "deleted"),
    [
        ("a b c", "a b c", "c", ["a"]),
        # b never worked, although it is newer than a.
        ("a b c", "a c", "c", ["b"]),
        ("a b c d", "a d", "d", ["b", "c"]),
        # The region went back from b to a, and then on to c: a worked last.
        ("a b c", "b a c", "c", ["b"]),
        # A node from before there were proofs keeps the newest other release.
        ("a b c", "c", "c", ["a"]),
        ("a", "a", "a", []),
        # The proof of a release that is gone counts nothing.
        ("b c", "a b c", "c", []),
        ("b c", "c", "c", []),
    ],
)
def test_prune_keeps_the_last_release_that_worked(
    releases: str, proofs: str, current: str, deleted: list[str]
) -> None:
    results = [found_by_age("/opt/x/releases", releases), found_by_age("/opt/x/proofs", proofs)]
    given = {name: trust_as_template(text) for name, text in VARS.items()}
    given |= {"release_archive_name": current, "__release_archive_listed": {"results": results}}
    templar = Templar(loader=DataLoader(), variables=given)
    assert sorted(templar.template(given["__release_archive_obsolete"])) == deleted

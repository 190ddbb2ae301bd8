"""Two operators change secrets.age at the same time, in two clones of a real git repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from region_samples import REGION, key_pair

from chautari.region.load import LoadedRegion, load_region
from chautari.secrets import merge_driver
from chautari.secrets.completion import (
    load_and_complete_secrets,
    open_secrets,
    update_secrets,
)
from chautari.secrets.merge import READ_BY_REMOVED, MergedSecrets, merge_secrets
from chautari.secrets.store import SecretStore, open_secrets_file

TEXT = REGION.replace("{{ana: {key} ana@laptop}}", "{{ana: '{ana}', luz: '{luz}'}}")
TEXT = TEXT.replace(
    "  nextcloud: {{host", "  jitsi: {{host: meet, members: [a, b]}}\n  nextcloud: {{host"
)
TEXT = TEXT.replace("user: debian, port: 2222", "user: debian, port: 2222, services: [jitsi]")
CANARY = "canary-of-a-password-"
MAIL, MEMBER_A, MEMBER_B = "mail_relay_password", "jitsi_member_a", "jitsi_member_b"


class Person:
    """An operator with a home folder, a key and a clone of the repository."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.home, self.clone = name, folder / f"home-{name}", folder / f"clone-{name}"
        self.key = self.home / ".ssh" / "id_ed25519"
        self.key.parent.mkdir(parents=True)
        self.line = key_pair(self.key.parent, "id_ed25519")
        self.env = {
            **os.environ, "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": name, "GIT_COMMITTER_NAME": name,
            "GIT_AUTHOR_EMAIL": f"{name}@example.org", "GIT_EDITOR": "true",
            "GIT_COMMITTER_EMAIL": f"{name}@example.org", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        for variable in ("CHAUTARI_KEY_PASSPHRASE", "CHAUTARI_INVENTORIES"):
            self.env.pop(variable, None)

    @property
    def file(self) -> Path:
        return self.clone / "inventories" / "andes" / "secrets.age"

    def region(self) -> LoadedRegion:
        return load_region(self.file.with_name("region.yml"))

    def run(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=self.clone, env=self.env, input=stdin, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def git(self, *argv: str) -> None:
        done = self.run("git", *argv)
        assert done.returncode == 0, done.stdout + done.stderr

    def deploy(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "chautari", *argv, stdin=stdin)

    def set(self, secret: str, value: str) -> None:
        new = {secret: CANARY + value}
        update_secrets(self.region(), [self.key], (), lambda opened: opened.with_values(new))
        self.git("commit", "-qam", f"set {secret}")

    def value(self, secret: str) -> str:
        return open_secrets_file(self.file, [self.key])[secret].removeprefix(CANARY)

    def pull(self) -> subprocess.CompletedProcess[str]:
        return self.run("git", "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")


@pytest.fixture
def people(tmp_path: Path) -> tuple[Person, Person]:
    """Return two operators whose clones have the same secrets."""
    ana, luz = Person(tmp_path, "ana"), Person(tmp_path, "luz")
    hub = tmp_path / "hub.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(hub)], check=True)
    ana.clone.mkdir()
    ana.git("init", "-q", "-b", "main")
    ana.git("remote", "add", "origin", str(hub))
    ana.file.parent.mkdir(parents=True)
    ana.file.with_name("region.yml").write_text(TEXT.format(ana=ana.line, luz=luz.line))
    load_and_complete_secrets(ana.region(), [ana.key], {MAIL: f"{CANARY}mail-0"})
    merge_driver.install(ana.clone)
    assert merge_driver.add_attributes(ana.clone)
    ana.git("add", ".")
    ana.git("commit", "-qm", "first")
    ana.git("push", "-q", "origin", "main")
    luz.clone.mkdir()
    luz.git("clone", "-q", str(hub), ".")
    merge_driver.install(luz.clone)
    return ana, luz


def test_different_secrets_are_both_kept(people: tuple[Person, Person]) -> None:
    ana, luz = people
    ana.set(MEMBER_A, "of-ana")
    ana.git("push", "-q", "origin", "HEAD:main")
    luz.set(MEMBER_B, "of-luz")
    pulled = luz.pull()
    assert pulled.returncode == 0, pulled.stdout + pulled.stderr
    assert (luz.value(MEMBER_A), luz.value(MEMBER_B)) == ("of-ana", "of-luz")
    luz.git("push", "-q", "origin", "HEAD:main")
    assert ana.pull().returncode == 0
    shown = ana.deploy("secrets", "show", "andes", MEMBER_B)
    assert shown.stdout == f"{CANARY}of-luz\n"
    assert "secrets.age was changed by luz at" in shown.stderr


def test_rebase_keeps_both_changes(people: tuple[Person, Person]) -> None:
    ana, luz = people
    ana.set(MEMBER_A, "of-ana")
    ana.git("push", "-q", "origin", "HEAD:main")
    luz.set(MEMBER_B, "of-luz")
    luz.set(MAIL, "mail-luz")
    luz.git("pull", "-q", "--rebase", "origin", "main")
    assert [luz.value(name) for name in (MEMBER_A, MEMBER_B, MAIL)] == [
        "of-ana", "of-luz", "mail-luz",
    ]  # fmt: skip


@pytest.mark.parametrize("take", ["--ours", "--theirs"])
def test_same_secret_is_a_conflict_that_names_it(take: str, people: tuple[Person, Person]) -> None:
    ana, luz = people
    ana.set(MAIL, "mail-ana")
    ana.set(MEMBER_A, "of-ana")
    ana.git("push", "-q", "origin", "HEAD:main")
    luz.set(MAIL, "mail-luz")
    pulled = luz.pull()
    said = pulled.stdout + pulled.stderr
    assert pulled.returncode == 1 and CANARY not in said and "Traceback" not in said
    path = "inventories/andes/secrets.age"
    assert f"Both sides changed {MAIL} in {path}. All other secrets are merged." in said
    assert f"deploy secrets merge andes --theirs {MAIL}" in said
    assert luz.run("git", "diff", "--name-only", "--diff-filter=U").stdout == f"{path}\n"
    assert (luz.value(MAIL), luz.value(MEMBER_A)) == ("mail-luz", "of-ana")
    refused = luz.deploy("secrets", "merge", "andes")
    assert refused.returncode == 2 and f"both sides changed {MAIL}" in refused.stderr
    merged = luz.deploy("secrets", "merge", "andes", take, MAIL)
    assert merged.returncode == 0 and "git add " in merged.stderr and CANARY not in merged.stderr
    luz.git("add", path)
    luz.git("commit", "-qm", "merge")
    expected = "mail-ana" if take == "--theirs" else "mail-luz"
    assert (luz.value(MAIL), luz.value(MEMBER_A)) == (expected, "of-ana")
    assert luz.deploy("secrets", "merge", "andes").returncode == 2


def test_without_a_key_the_file_stays_a_conflict(people: tuple[Person, Person]) -> None:
    ana, luz = people
    ana.set(MEMBER_A, "of-ana")
    ana.git("push", "-q", "origin", "HEAD:main")
    luz.set(MEMBER_B, "of-luz")
    before = luz.file.read_bytes()
    elsewhere = luz.key.rename(luz.home / "id")
    pulled = luz.pull()
    said = pulled.stdout + pulled.stderr
    assert pulled.returncode == 1
    assert "secrets.age is not merged: " in said and "no SSH private key could be read" in said
    assert "then run: deploy secrets merge andes" in said
    assert luz.file.read_bytes() == before
    assert luz.run("git", "ls-files", "-u").stdout.count("secrets.age") == 3
    merged = luz.deploy("secrets", "merge", "andes", "--identity", str(elsewhere), "--json")
    assert json.loads(merged.stdout)["region"] == "andes"
    elsewhere.rename(luz.key)
    assert (luz.value(MEMBER_A), luz.value(MEMBER_B)) == ("of-ana", "of-luz")


def test_clone_without_the_driver_merges_by_the_command(people: tuple[Person, Person]) -> None:
    ana, luz = people
    luz.git("config", "--remove-section", f"merge.{merge_driver.NAME}")
    ana.set(MEMBER_A, "of-ana")
    ana.git("push", "-q", "origin", "HEAD:main")
    luz.set(MEMBER_B, "of-luz")
    assert luz.pull().returncode == 1
    assert luz.deploy("secrets", "merge", "andes").returncode == 0
    assert (luz.value(MEMBER_A), luz.value(MEMBER_B)) == ("of-ana", "of-luz")


def test_doctor_and_install_merge_set_up_a_clone(people: tuple[Person, Person]) -> None:
    ana, luz = people
    for person in people:
        person.git("config", "--remove-section", f"merge.{merge_driver.NAME}")
    assert "merge driver for secrets.age: now set up in" in ana.deploy("doctor").stdout
    assert "merge driver for secrets.age: set up in" in ana.deploy("doctor").stdout
    attributes = luz.clone / ".gitattributes"
    attributes.write_text("*.png binary")
    assert "run: deploy secrets install-merge" in luz.deploy("doctor").stdout
    assert not merge_driver.is_installed(luz.clone)
    assert "Commit .gitattributes" in luz.deploy("secrets", "install-merge").stderr
    assert attributes.read_text() == f"*.png binary\n{merge_driver.ATTRIBUTES}\n"
    assert merge_driver.is_installed(luz.clone)
    again = luz.deploy("secrets", "install-merge", "--json")
    assert json.loads(again.stdout)["attributes_added"] is False


def test_install_merge_outside_of_a_repository_is_refused(tmp_path: Path) -> None:
    pia = Person(tmp_path, "pia")
    pia.file.parent.mkdir(parents=True)
    refused = pia.deploy("secrets", "install-merge")
    assert refused.returncode == 2 and "is not in a git repository for regions" in refused.stderr


def test_version_of_a_person_who_is_no_operator_is_not_merged(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    ana, luz = people
    eve = Person(tmp_path, "eve")
    values = open_secrets(ana.region(), [ana.key])
    lines = [ana.line, luz.line]
    forged = SecretStore(
        values.values_of_names(values.names) | {MEMBER_A: f"{CANARY}of-eve"}, lines
    )
    for signed in (False, True):
        if signed:
            text = ana.file.with_name("region.yml").read_text()
            ana.file.with_name("region.yml").write_text(text.replace(ana.line, eve.line))
            ana.key.write_bytes(eve.key.read_bytes())
            assert ana.deploy("secrets", "sign", "andes").returncode == 0
            ana.file.with_name("region.yml").write_text(text)
        else:
            forged.save(ana.file, [*lines, eve.line])
        ana.git("commit", "-qam", "forged")
        ana.git("push", "-qf", "origin", "HEAD:main")
        luz.set(MEMBER_B, f"of-luz-{signed}")
        before = luz.file.read_bytes()
        pulled = luz.pull()
        assert pulled.returncode == 1
        assert "that git calls `theirs` is not signed with a key of an operator" in pulled.stderr
        assert luz.file.read_bytes() == before and CANARY not in pulled.stderr
        luz.git("merge", "--abort")


def store(values: dict[str, str], recipients: str = "ana luz", **due: str) -> SecretStore:
    return SecretStore(values, recipients.split(), due=due)


BASE = {"a": "1", "b": "1"}


@pytest.mark.parametrize(
    ("ours", "theirs", "merged", "conflicts"),
    [
        ({"a": "2", "b": "1"}, {"a": "1", "b": "2"}, {"a": "2", "b": "2"}, []),
        ({"a": "1"}, BASE, {"a": "1"}, []),
        (BASE, {"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "1", "b": "2"}, {"a": "1"}, ["b"]),
        ({"a": "1", "b": "2"}, {"a": "1"}, {"a": "1", "b": "2"}, ["b"]),
        ({"a": "2", "b": "1"}, {"a": "2", "b": "1"}, {"a": "2", "b": "1"}, []),
        ({"a": "2", "b": "1"}, {"a": "3", "b": "1"}, {"a": "2", "b": "1"}, ["a"]),
        (BASE | {"c": "2"}, BASE | {"d": "2"}, BASE | {"c": "2", "d": "2"}, []),
        (BASE | {"c": "2"}, BASE | {"c": "3"}, BASE | {"c": "2"}, ["c"]),
    ],
)
def test_merge_of_values(
    ours: dict[str, str], theirs: dict[str, str], merged: dict[str, str], conflicts: list[str]
) -> None:
    found = merge_secrets(store(BASE), store(ours), store(theirs))
    assert found.secrets.values_of_names(found.secrets.names) == merged
    assert list(found.conflicts) == conflicts
    settled = merge_secrets(store(BASE), store(ours), store(theirs), conflicts)
    assert settled.conflicts == ()
    for name in conflicts:
        assert (name in settled.secrets) == (name in theirs)
        assert name not in theirs or settled.secrets[name] == theirs[name]


def recipients_after(ours: str, theirs: str) -> MergedSecrets:
    return merge_secrets(store(BASE), store(BASE, ours), store(BASE | {"c": "1"}, theirs))


def test_merge_keeps_new_recipients_and_drops_removed_ones() -> None:
    found = recipients_after("ana luz eva", "ana luz pia")
    assert found.secrets.recipients == ("ana", "luz", "eva", "pia") and found.secrets.due == {}
    assert recipients_after("ana", "ana luz pia").secrets.recipients == ("ana", "pia")


def test_secret_changed_while_a_removed_key_could_read_it_is_due() -> None:
    found = recipients_after("ana", "ana luz")
    assert found.secrets.due == {"c": READ_BY_REMOVED}
    assert recipients_after("ana luz", "ana").secrets.due == {}


def test_merge_keeps_what_is_due_until_it_was_changed() -> None:
    base = store(BASE, "ana", a="left", b="left")
    changed = base.with_values({"a": "2"})
    assert merge_secrets(base, changed, base).secrets.due == {"b": "left"}
    assert merge_secrets(store(BASE, "ana"), base, store(BASE | {"a": "2"}, "ana")).secrets.due == {
        "a": "left", "b": "left",
    }  # fmt: skip

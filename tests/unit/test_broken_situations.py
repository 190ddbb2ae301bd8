"""Broken situations that volunteers meet, without a machine: the answer fits on one screen.

It says what is wrong and where, and its step works when it is pasted. Real files, real commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from broken_situations import HEIGHT, Computer, Shown, quotes_of

SHOW = ("secrets", "show", "andes", "mail_relay_password")
VALIDATE = ("validate", "andes")
Break = Callable[[Computer], object]
Heal = Callable[[Computer, Shown], object]


class Situation(NamedTuple):
    """What is broken, what the command says, and how a person repairs it with that.

    Attributes:
        command: a command that meets the situation, and works after the repair.
        after: a command to run after the repair instead.
    """

    break_: Break
    says: str
    heal: Heal
    command: tuple[str, ...] = SHOW
    after: tuple[str, ...] = ()


def step_after(shown: Shown, words: str) -> str:
    """Return the step of a message: what follows `words`, to the end of the line."""
    found = re.search(re.escape(words) + r"(.+)", shown.text)
    assert found, shown.text
    return found[1]


def paste_after(words: str, typed: str = "") -> Heal:
    """Paste the command that follows `words`."""

    def heal(computer: Computer, shown: Shown) -> None:
        done = computer.paste(step_after(shown, words), typed)
        assert done.code == 0, done.text

    return heal


def correct_word(wrong: str) -> Heal:
    """Write the word that the message proposes at the place that it names."""
    return lambda computer, shown: computer.replace_at(
        shown, wrong, step_after(shown, "did you mean ").rstrip("?")
    )


def edit(old: str, new: str) -> Break:
    return lambda computer: computer.replace(old, new)


def lose(name: str, **others: str) -> Break:
    def break_(computer: Computer) -> None:
        (computer.region / name).unlink()
        for other, content in others.items():
            (computer.region / other).write_text(content)

    return break_


def write(name: str, content: bytes, *, committed: bytes = b"") -> Break:
    def break_(computer: Computer) -> None:
        if committed:
            (computer.region / name).write_bytes(committed)
            computer.commit()
        (computer.region / name).write_bytes(content)

    return break_


def become_new_person(*, key: bool) -> Break:
    """Let another person, who cannot decrypt the secrets yet, use this repository."""

    def break_(computer: Computer) -> None:
        computer.person = "luz"
        computer.create_home(key=key)

    return break_


def ana_adds_luz(computer: Computer, shown: Shown) -> None:
    """Create the key if one is missing, and let the other operator run the command."""
    public = computer.key.with_name("id_ed25519.pub")
    if not public.exists():
        found = re.search(r"create one \((.+?)\)", shown.text)
        assert found and computer.paste(found[1], typed="\n\n").code == 0
    (computer.folder / "id_ed25519.pub").write_bytes(public.read_bytes())
    ana = Computer(computer.folder)
    # A test has no terminal, so it confirms the fingerprint with an option.
    done = ana.paste(f"{step_after(shown, 'who runs: ')} --yes")
    assert done.code == 0, done.text


def lock_key(computer: Computer) -> None:
    done = computer.paste(f"ssh-keygen -q -p -N geheim-genug -P '' -f {computer.key}")
    assert done.code == 0, done.text


def cut_secrets(computer: Computer) -> None:
    file = computer.region / "secrets.age"
    file.write_bytes(file.read_bytes()[:-40])


def conflict_in_secrets(computer: Computer) -> None:
    """Let two branches change secrets.age, and stop their merge."""
    file = computer.region / "secrets.age"
    computer.git("checkout", "-qb", "theirs")
    value = ("secrets", "set", "andes", "mail_relay_password")
    for branch in ("theirs", "main"):
        computer.git("checkout", "-q", branch)
        assert computer.deploy(*value, typed="the same new password\n").code == 0
        computer.commit()
    ours = file.read_bytes()
    computer.git("merge", "theirs", check=False)
    # Git writes its marks into files without NUL; the content of this file is random.
    file.write_bytes(b"<<<<<<< HEAD\n" + ours + b"\n=======\n" + ours + b"\n>>>>>>> theirs\n")


def conflict_in_region(computer: Computer) -> None:
    mine = "  nextcloud: {host: cloud}\n"
    theirs = mine.replace("cloud}", "nube}")
    computer.replace(mine, f"<<<<<<< HEAD\n{mine}=======\n{theirs}>>>>>>> theirs\n")


def keep_first_version(computer: Computer, shown: Shown) -> None:
    """Do what the message says: keep one version, delete the lines of git."""
    assert "region.yml:15:1:" in shown.text
    text = computer.file.read_text()
    text = re.sub(r"(?ms)^=======\n.*?(?=^>>>>>>> )", "", text)
    computer.file.write_text(re.sub(r"(?m)^[<>]{7} .*\n", "", text))


def read_passphrase(computer: Computer, shown: Shown) -> None:
    paste_after("run the command again: ", typed="geheim-genug\n")(computer, shown)
    assert computer.environment["CHAUTARI_KEY_PASSPHRASE"] == "geheim-genug"


def migrate(computer: Computer, shown: Shown) -> None:
    """Run the command; a test has no terminal, so it confirms the change with an option."""
    done = computer.paste(f"{step_after(shown, 'or run: ')} --yes")
    assert done.code == 0, done.text


def go_to(*folders: str) -> Break:
    def break_(computer: Computer) -> None:
        computer.working_folder = "/".join(folders)
        (computer.folder / computer.working_folder).mkdir(parents=True, exist_ok=True)

    return break_


SITUATIONS = {
    "no SSH key": Situation(
        become_new_person(key=False), "there is none in ~/.ssh", ana_adds_luz,
    ),
    "key of a person who is no operator": Situation(
        become_new_person(key=True), "it is encrypted to other keys", ana_adds_luz
    ),
    "key with a passphrase, no terminal": Situation(
        lock_key, "this key has a passphrase", read_passphrase
    ),
    "secrets lost": Situation(
        lose("secrets.age", known_hosts="203.0.113.10 ssh-ed25519 AAAA\n"),
        "inventories/andes/secrets.age is missing",
        lambda computer, shown: computer.paste(
            step_after(shown, "from git: ").partition(". If no node")[0]
        ),
        ("secrets", "rotate", "andes", "receipt_key"),
    ),
    "secrets cut": Situation(cut_secrets, "secrets.age cannot be decrypted: it is damaged",
                             paste_after("from git: ")),
    "secrets empty": Situation(write("secrets.age", b""), "age header is missing or incomplete",
                               paste_after("from git: ")),
    "secrets in conflict": Situation(
        conflict_in_secrets, "git could not merge two versions of inventories/andes/secrets.age",
        paste_after("Fix: "),
    ),
    "secret not set": Situation(
        lambda computer: (computer.region / "secrets.age").unlink(),
        "the secret mail_relay_password (password for the mail relay) is missing",
        paste_after("Fix: ", typed="a-password\n"),
        ("region", "andes"),
        SHOW,  # nothing may connect to a machine
    ),
    "tab in region.yml": Situation(
        edit("    port", "\tport"), "region.yml:11:1: not valid YAML: found a tab character",
        lambda computer, shown: computer.replace_at(shown, "\t", "    "),
    ),
    "misspelt key": Situation(
        edit("timezone:", "timezome:"), "region.yml:4:1: timezome: unknown key",
        correct_word("timezome"),
    ),
    "unknown service": Situation(
        edit("[nextcloud]", "[nextclod]"),
        "region.yml:13:16: nodes.bog1.services.0: 'nextclod' is not a valid value",
        correct_word("nextclod"),
    ),
    "renamed key": Situation(
        edit("mail:", "sandbox: {network: 203.0.113.0/24, stand_in: {}}\nmail:"),
        "renamed this key to os_substitutes", migrate, VALIDATE,
    ),
    "two nodes with one address": Situation(
        edit("services:\n  nextcloud:", "  med1: {address: 203.0.113.10}\nservices:\n  nextcloud:"),
        "nodes.med1.address: 203.0.113.10 is already the address of bog1",
        lambda computer, shown: computer.replace_at(
            shown, "address: 203.0.113.10", "address: 203.0.113.11"
        ),
    ),
    "region.yml not in UTF-8": Situation(
        lambda computer: computer.file.write_bytes(computer.file.read_bytes() + b"# Bogot\xe1\n"),
        "region.yml:17:1: the file is not in UTF-8", paste_after("save it as UTF-8: "),
    ),
    "region.yml in conflict": Situation(
        conflict_in_region, "git could not merge two versions here", keep_first_version
    ),
    "region.yml deleted": Situation(
        lose("region.yml"), "no region 'andes' under inventories/", paste_after("from git: ")
    ),
    "region.yml with another name": Situation(
        lambda computer: computer.file.rename(computer.region / "region.yaml"),
        "a region's file must be called region.yml", paste_after("Fix: "),
    ),
    "region for a newer toolkit": Situation(
        edit("domain:", "toolkit: 99.0.0\ndomain:"),
        "this file was written for Chautari 99.0.0, but this is Chautari",
        # The update itself would change this checkout.
        lambda computer, shown: (
            step_after(shown, "update Chautari: git -C "), computer.replace("toolkit: 99.0.0\n", "")
        ),
    ),
    "folder inside of the repository": Situation(
        go_to("inventories", "andes"), "no region 'andes' under", paste_after("Fix: ")
    ),
    "folder above the repository": Situation(
        go_to(".."), "no region 'andes' under", paste_after("Fix: ")
    ),
    "release without a pin": Situation(
        edit("{host: cloud}", "{host: cloud, version: '34.0.99'}"),
        "region.yml:15:28: services.nextcloud.version: no checksum is known for Nextcloud 34.0.99",
        lambda computer, shown: computer.replace(
            "34.0.99", step_after(shown, "choose one of ").split(",")[0]
        ),
    ),
    "artifacts.lock damaged": Situation(
        write("artifacts.lock", b"\0\0\xff\0" * 9, committed=b"nextcloud: {35.0.9: {url: "
              b"'https://download.example.org/n.tar.bz2', sha256: " + b"a" * 64 + b"}}\n"),
        "artifacts.lock:1:1: the file is not in UTF-8", paste_after("from git: "),
    ),
    "known_hosts damaged": Situation(
        write("known_hosts", b"203.0.113.10 ssh-ed25519 AAAA\n\xff\xfe\0\n"),
        "inventories/andes/known_hosts:2:1: this line is not text",
        paste_after("delete this line: "), ("logs", "andes", "nextcloud"),
    ),
}  # fmt: skip
# After the repair, this command goes on to the node, and ssh fails at once.
NEED_A_NODE = {"known_hosts damaged"}


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    found = Computer(tmp_path / "computer")
    found.set_up()
    return found


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation_is_answered_on_one_screen_and_the_step_works(
    computer: Computer, name: str
) -> None:
    situation = SITUATIONS[name]
    situation.break_(computer)
    shown = computer.deploy(*situation.command)
    assert shown.code == 2, shown.text
    assert situation.says in shown.text
    assert shown.screen_lines <= HEIGHT
    assert quotes_of(shown), f"docs/troubleshooting.md does not explain: {shown.text}"
    situation.heal(computer, shown)
    after = computer.deploy(*(situation.after or situation.command))
    assert situation.says not in after.text
    assert after.code == 0 or name in NEED_A_NODE, after.text


def test_mistyped_command_is_corrected(computer: Computer) -> None:
    shown = computer.deploy("secrts", "list", "andes")
    assert shown.code == 2 and shown.screen_lines <= HEIGHT
    assert computer.paste(step_after(shown, "did you mean: ")).code == 0


def test_mistyped_region_is_corrected(computer: Computer) -> None:
    shown = computer.deploy("validate", "ands")
    assert shown.code == 2 and shown.screen_lines <= HEIGHT
    assert computer.deploy("validate", step_after(shown, "did you mean ").rstrip("?")).code == 0


def test_full_disk_of_this_computer_is_named(computer: Computer) -> None:
    shown = computer.paste("deploy validate --json > /dev/full")
    assert shown.code == 2 and shown.screen_lines <= HEIGHT
    assert "No space left on device" in shown.text
    assert computer.paste("df -h").code == 0 and "df -h" in shown.text


def test_folder_that_cannot_be_written_is_named(computer: Computer) -> None:
    # The kernel creates the folders there, so even root cannot create one.
    computer.environment["XDG_STATE_HOME"] = "/sys"
    shown = computer.deploy("region", "andes")
    assert shown.code == 2 and shown.screen_lines <= HEIGHT
    assert "/sys/chautari" in shown.text
    assert computer.paste(step_after(shown, "permissions: ")).code == 0

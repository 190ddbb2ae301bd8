"""A volunteer's computer for the tests of broken situations: a home, a repository, a region.

Commands run as the real `deploy`, and steps as a shell runs them when a person pastes them.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from region_samples import key_pair
from test_docs_messages import GAP, quotes

WIDTH, HEIGHT = 80, 24
REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
languages: [es]
operators:
  ana: {key}
nodes:
  bog1:
    address: 203.0.113.10
    port: 22
    os: debian-12
    services: [nextcloud]
services:
  nextcloud: {{host: cloud}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""
GIT = ("git", "-c", "user.name=ana", "-c", "user.email=ana@example.org")


class Shown(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    text: str

    @property
    def screen_lines(self) -> int:
        """Return how many lines of a terminal the text needs."""
        return sum(max(1, -(-len(line) // WIDTH)) for line in self.text.splitlines())

    @property
    def on_one_line(self) -> str:
        """Return the text without its line breaks, which a narrow terminal adds."""
        return " ".join(self.text.split())


def quotes_of(shown: Shown) -> list[str]:
    """Return the messages of the page for troubleshooting that a command printed."""
    return [
        quote
        for quote in quotes()
        if re.search(".*?".join(map(re.escape, quote.split(GAP))), shown.on_one_line)
    ]


@dataclass
class Computer:
    """A computer with a region's repository; `person` is the account that works on it."""

    folder: Path
    person: str = "ana"
    environment: dict[str, str] = field(default_factory=dict)
    working_folder: str = "."

    @property
    def home(self) -> Path:
        return self.folder / "home" / self.person

    @property
    def key(self) -> Path:
        return self.home / ".ssh" / "id_ed25519"

    @property
    def region(self) -> Path:
        return self.folder / "inventories" / "andes"

    @property
    def file(self) -> Path:
        return self.region / "region.yml"

    def set_up(self) -> None:
        """Create the home with a key, the region with its secrets, and commit all."""
        self.create_home()
        self.region.mkdir(parents=True)
        public = self.key.with_name("id_ed25519.pub").read_text().strip()
        self.file.write_text(REGION.format(key=public))
        ssh = self.folder / "bin" / "ssh"
        ssh.parent.mkdir()
        ssh.write_text('#!/bin/sh\nexec /usr/bin/ssh -F "$HOME/.ssh/config" "$@"\n')
        ssh.chmod(0o755)
        done = self.deploy("secrets", "set", "andes", "mail_relay_password", typed="a-password\n")
        assert done.code == 0, done.text
        self.git("init", "-q", "-b", "main")
        self.commit()

    def create_home(self, *, key: bool = True) -> None:
        folder = self.home / ".ssh"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "config").write_text(f"IdentityFile {folder}/id_ed25519\nProxyCommand false\n")
        if key:
            public = key_pair(folder, "id_ed25519")
            self.key.chmod(0o600)
            (folder / "id_ed25519.pub").write_text(f"{public}\n")

    def as_person(self, person: str) -> Computer:
        """Return the same computer with another account, which has no key yet."""
        other = Computer(self.folder, person)
        other.create_home(key=False)
        return other

    def git(self, *arguments: str, check: bool = True) -> None:
        subprocess.run(
            [*GIT, *arguments], cwd=self.folder, env=self._all_variables(), check=check,
            capture_output=True,
        )  # fmt: skip

    def commit(self) -> None:
        self.git("add", "inventories")
        self.git("commit", "-qm", "x", "--allow-empty")

    def _all_variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
        return kept | {
            "HOME": str(self.home), "LOGNAME": self.person, "COLUMNS": str(WIDTH),
            "LINES": str(HEIGHT), "XDG_STATE_HOME": str(self.home / "state"),
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        } | self.environment  # fmt: skip

    def deploy(self, *arguments: str, typed: str = "") -> Shown:
        """Run the real command."""
        return self._run([sys.executable, "-m", "chautari", *arguments], typed)

    def paste(self, line: str, typed: str = "") -> Shown:
        """Run what a person pastes into bash; a `cd` or a variable counts for later commands."""
        function = f'deploy() {{ {shlex.quote(sys.executable)} -m chautari "$@"; }}'
        after = self.folder / "after"
        script = f"{function}\n{line}\nc=$?; pwd > {after}; env -0 >> {after}; exit $c"
        done = self._run(["bash", "-c", script], typed)
        if after.exists():
            place, _, variables = after.read_text().partition("\n")
            self.working_folder = os.path.relpath(place, self.folder)
            for name in ("CHAUTARI_KEY_PASSPHRASE", "SSH_AUTH_SOCK", "SSH_AGENT_PID"):
                if found := re.search(rf"(?:^|\0){name}=([^\0]*)", variables):
                    self.environment[name] = found[1]
        return done

    def _run(self, argv: list[str], typed: str) -> Shown:
        # Without a terminal of its own, no program waits for the one of the tests.
        done = subprocess.run(
            argv, cwd=self.folder / self.working_folder, env=self._all_variables(), input=typed,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True, timeout=60,
        )  # fmt: skip
        return Shown(done.returncode, done.stdout)

    def replace(self, old: str, new: str) -> None:
        """Edit region.yml, as a person does in an editor."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new, 1))

    def replace_at(self, shown: Shown, old: str, new: str) -> None:
        """Edit region.yml at the line and the column that a message names."""
        place = re.search(r"region\.yml:(\d+):(\d+): ", shown.text)
        assert place, shown.text
        lines = self.file.read_text().split("\n")
        line, column = int(place[1]) - 1, int(place[2]) - 1
        assert lines[line][column:].startswith(old), lines[line]
        lines[line] = lines[line][:column] + new + lines[line][column + len(old) :]
        self.file.write_text("\n".join(lines))

"""A region with an operator, real keys and secrets, for tests of people who come and go."""

from __future__ import annotations

from pathlib import Path

from region_samples import REGION, key_pair, region_file

from chautari.cli import main
from chautari.region.load import LoadedRegion, load_region
from chautari.secrets.completion import load_and_complete_secrets
from chautari.secrets.store import SecretStore, open_secrets_file

MAIL = "mail_relay_password"
TEXT = REGION.replace("operators: {{ana: {key} ana@laptop}}\n", (
    "operators:\n  # The first one.\n  ana: {key}\n"
)).replace("user: debian, port: 2222", "user: debian, port: 2222, services: [jitsi]").replace(
    "  nextcloud: {{host", "  jitsi: {{host: meet, members: [marta]}}\n  nextcloud: {{host"
)  # fmt: skip
BACKUP = "backup: {to: [disk], targets: {disk: {disk: /mnt/backup}}}\n"


class Andes:
    """A region with one operator, ana, and keys of others beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines = {name: key_pair(folder, name) for name in ("ana", "luz", "eva")}
        for name, line in self.lines.items():
            (folder / f"{name}.pub").write_text(f"{line}\n")
        self.file = region_file(folder, TEXT, self.lines["ana"])
        self.file.write_text(self.file.read_text() + BACKUP)
        self.store = load_and_complete_secrets(
            self.region, [folder / "ana"], {MAIL: "canary-relay"}
        )

    @property
    def region(self) -> LoadedRegion:
        return load_region(self.file)

    def run(self, *argv: str, key: str = "ana") -> int:
        return main.run([*argv, "--identity", str(self.folder / key)])

    def add(self, name: str) -> int:
        source = str(self.folder / f"{name}.pub")
        return self.run("operators", "add", "andes", name, "--key", source, "--yes")

    def opened(self, key: str = "ana") -> SecretStore:
        return open_secrets_file(self.region.secrets_file, [self.folder / key])

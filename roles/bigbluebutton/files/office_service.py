#!/usr/bin/python3
"""Convert the one file that comes in on standard input, and write the result to standard output.

systemd starts this for each connection to the socket, without network and rights. What comes in is
what strangers uploaded: nothing of it is believed, and nothing of it lasts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 256 * 1024 * 1024
SUFFIXES = (
    ".csv", ".doc", ".docx", ".fodp", ".htm", ".html", ".odc", ".odg", ".odi", ".odp", ".ods",
    ".odt", ".ppt", ".pptx", ".rtf", ".txt", ".xls", ".xlsx",
)  # fmt: skip
FORMATS = ("pdf", "odt", "doc")


def main() -> int:
    """Read, convert, answer."""
    head = json.loads(sys.stdin.buffer.readline(4096))
    suffix = head["suffix"].lower() if head["suffix"].lower() in SUFFIXES else ""
    wanted = head["format"] if head["format"] in FORMATS else "pdf"
    data = sys.stdin.buffer.read(LIMIT)
    with tempfile.TemporaryDirectory(prefix="office-") as name:
        folder = Path(name)
        source = folder / f"file{suffix}"
        source.write_bytes(data)
        convert(folder, source, wanted, int(head["seconds"]))
        result = folder / "out" / f"file.{wanted}"
        if not result.is_file():
            print("LibreOffice produced no file", file=sys.stderr)
            return 1
        sys.stdout.buffer.write(result.read_bytes())
    return 0


def convert(folder: Path, source: Path, wanted: str, seconds: int) -> None:
    """Run LibreOffice with a profile of its own, for so many seconds at most."""
    argv = [
        "/usr/bin/soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless",
        "--norestore", "--nolockcheck", "--nodefault", "--convert-to", wanted,
        "--outdir", str(folder / "out"), str(source),
    ]  # fmt: skip
    if source.suffix in (".html", ".htm"):
        argv.insert(-3, "--writer")
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    subprocess.run(
        argv, env=environment, stdout=sys.stderr, stderr=sys.stderr, timeout=seconds, check=False
    )


if __name__ == "__main__":
    sys.exit(main())

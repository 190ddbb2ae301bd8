"""Files that would exhaust or crash a reader: each is refused in a process with 1 GiB of memory."""

import subprocess
import sys
from pathlib import Path

import pytest
from region_samples import FIXTURES, ROOT

HOSTILE = {
    "brackets": ("[" * 100_000, "nested deeper than 12 levels"),
    "braces": ("{" * 100_000, "a key must be one line of plain text"),
    "keys in keys": ("? " * 100_000, "a key must be one line of plain text"),
    "dashes": ("- " * 100_000, "nested deeper than 12 levels"),
    "two megabytes": ("region: andes\n" + "#" * 2_000_000, "larger than 1000 kB"),
    "one long value": ("region: " + "a" * 900_000, "longer than 8000 characters"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(60_000)), "more than 5000 values"),
    "unknown keys": ("\n".join(f"k{n}: 1" for n in range(4_500)), "unknown key"),
    "deep blocks": (
        "\n".join(" " * n + f"k{n}:" for n in range(400)),
        "nested deeper than 12 levels",
    ),
    "blanks": (f"region: andes\n{' ' * 900_000}x: 1", "not valid YAML"),
    "one long key": ("k" * 900_000 + ": 1", "longer than 8000 characters"),
    "one long quoted key": ('"' + "k" * 900 + '": 1', "unknown key"),
    "many values": ("region: [" + "1," * 200_000 + "]", "more than 5000 values"),
    "long number": ("region: " + "9" * 900_000, "longer than 8000 characters"),
}
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from chautari.cli.main import run
sys.exit(run(["validate", sys.argv[1]]))
"""


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(file)],
        capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "tool")}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_without_a_crash(name: str, tmp_path: Path) -> None:
    text, message = HOSTILE[name]
    file = tmp_path / "hostile.yml"
    file.write_text(text)
    done = validate(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr[:100_000]


def test_alias_bomb_is_refused_in_little_memory() -> None:
    done = validate(FIXTURES / "invalid" / "alias-bomb.yml")
    assert done.returncode == 2
    assert "anchor &a is not allowed" in done.stderr


def test_endless_file_is_refused() -> None:
    done = validate(Path("/dev/zero"))
    assert done.returncode == 2

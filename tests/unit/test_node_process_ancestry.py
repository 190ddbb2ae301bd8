"""The processes of a login are named, so that a role can prove how it logged in."""

import os
import subprocess
import sys
from pathlib import Path

from chautari.node import process_ancestry


def test_processes_begin_with_this_one_and_its_parent() -> None:
    found = process_ancestry.own_and_ancestor_pids()
    assert found[:2] == [os.getpid(), os.getppid()]
    assert 1 not in found and len(set(found)) == len(found)


def test_name_of_a_process_does_not_change_its_parent(tmp_path: Path) -> None:
    program = tmp_path / "x) 1 ("
    program.symlink_to(sys.executable)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from chautari.node.process_ancestry import own_and_ancestor_pids\n"
        "print(*own_and_ancestor_pids())"
    )
    tool = str(Path(process_ancestry.__file__).resolve().parents[2])
    argv = [str(program), "-c", code, tool]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == str(os.getpid())

"""Where a command from the control side arrives on a node.

A look at the node is what most deploys come to, so it loads only what it needs; everything else is
the runner's.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import IO, Any

STATE = Path("/var/lib/chautari")


def main(arguments: dict[str, Any], payload: IO[bytes]) -> int:
    """Carry out the action named in `arguments` and return the exit code of the SSH command."""
    os.umask(0o077)
    STATE.mkdir(parents=True, exist_ok=True)
    if arguments["action"] == "survey":
        from chautari.node import lock, survey

        inputs = json.loads(zlib.decompress(payload.read()))
        found = survey.survey(STATE, inputs, lock.holder())
    elif arguments["action"] == "drift":
        from chautari.node import drift, lock

        found = drift.drift(STATE) | {"busy": lock.holder()}
    elif arguments["action"] == "doing":
        from chautari.node import activity

        found = activity.doing(STATE)
    else:
        from chautari.node import runner

        return runner.main(arguments, payload)
    print(json.dumps(found), flush=True)
    return 0

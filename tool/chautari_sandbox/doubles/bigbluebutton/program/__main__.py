"""Runs one part of the double."""

from __future__ import annotations

import os
import socket
import sys

from . import settings


def report_ready(text: str) -> None:
    """Say to the log, and to systemd, that this part is up."""
    print(text, flush=True)
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
            notice.connect(f"\0{path[1:]}" if path[0] == "@" else path)
            notice.send(b"READY=1")


def main(part: str, words: list[str]) -> int:
    """Run it."""
    if part == "bbb-conf":
        from . import bbb_conf

        return bbb_conf.main(words)
    if part == "bbb-record":
        from . import bbb_record

        return bbb_record.main(words)
    try:
        if part == "bbb-web":
            from . import web

            web.serve_bbb_web(report_ready)
        elif part in ("bbb-rap-starter", "bbb-rap-resque-worker"):
            from . import recording_jobs

            (
                recording_jobs.run_starter
                if part == "bbb-rap-starter"
                else recording_jobs.run_worker
            )(report_ready)
        elif part == "fs_cli":
            from . import fs_cli

            return fs_cli.main(words)
        else:
            from . import part_servers

            part_servers.serve_part(part, report_ready)
    except (settings.WrongSettings, KeyError, ValueError, TypeError) as error:
        print(f"double of {part} does not start: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

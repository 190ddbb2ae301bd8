"""Print what the units and log files of a service logged, and follow them.

Each line is one JSON object, so that nothing in it is mistaken for something else. A file is read
only near its end, and a link or a pipe in its place is passed over.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any

MAX_READ = 4 << 20  # bytes at the end of a file
MAX_LINE = 8000  # characters of a line
MAX_FILES = 20
PAUSE_SECONDS = 1.0
HEARTBEAT_SECONDS = 30.0  # a write fails once the connection is closed
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEAD = 600  # characters in which the time of a line is
CURSOR = "-- cursor: "
_ISO = re.compile(
    r"(\d{4})[-/]?(\d\d)[-/]?(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?"
)
_WEB = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})")
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)\b")
_print_lock = threading.Lock()


def main(arguments: Mapping[str, Any]) -> int:
    """Print the lines of the units and files that `arguments` name; return the exit code.

    A closed connection ends the program.
    """
    files = existing_files(arguments["files"])
    since = time.time() - arguments["seconds"]
    positions = {file: _size_of_regular_file(file) for file in files}
    try:
        if arguments["follow"]:
            _print_and_follow(arguments["units"], positions, since, arguments["lines"])
            return 0
        if arguments["units"]:
            _print_journal_and_return_cursor_option(arguments["units"], since, arguments["lines"])
        for file in files:
            _print_last_lines_of_file(file, since, arguments["lines"])
    except BrokenPipeError:
        os._exit(1)
    return 0


def existing_files(patterns: Iterable[str]) -> list[str]:
    """Return the regular files that fit the patterns; links are left out."""
    found = [file for pattern in patterns for file in _files_matching(pattern)]
    return [file for file in found if _size_of_regular_file(file) is not None][:MAX_FILES]


def _files_matching(pattern: str) -> list[str]:
    path = Path(pattern)
    return [str(file) for file in sorted(path.parent.glob(path.name))]


def _size_of_regular_file(file: str) -> int | None:
    try:
        found = os.lstat(file)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _print_log_line(source: str, text: str) -> None:
    line = {"event": "log_line", "source": source, "text": text[:MAX_LINE]}
    with _print_lock:
        print(json.dumps(line), flush=True)


def _start_journalctl(units: Iterable[str], *options: str) -> subprocess.Popen[bytes]:
    argv = [
        "journalctl", "--no-pager", "--quiet", "--output=short-iso", "--no-hostname", *options,
        *(f"--unit={unit}" for unit in units),
    ]  # fmt: skip
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _print_journal_and_return_cursor_option(units: Iterable[str], since: float, lines: int) -> str:
    """Print the last lines, and return the option with which journalctl continues after them.

    With a time, journalctl would count lines from the oldest one.
    """
    start = f"--since=@{int(since)}"
    last: deque[str] = deque(maxlen=lines)
    cursor = ""
    for text in _read_lines_of_process(_start_journalctl(units, start, "--show-cursor")):
        if text.startswith(CURSOR):
            cursor = text.removeprefix(CURSOR)
        else:
            last.append(text)
    for text in last:
        _print_log_line("journal", text)
    return f"--after-cursor={cursor}" if cursor else start


def _read_lines_of_process(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.decode(errors="replace").rstrip("\n")
    process.wait()


def _print_last_lines_of_file(file: str, since: float, lines: int) -> None:
    texts = list(lines_since(_read_last_lines(file), since))
    for text in texts[-lines:]:
        _print_log_line(file, text)


def _read_last_lines(file: str) -> list[str]:
    try:
        with _open_regular(file) as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - MAX_READ))
            content = stream.read(MAX_READ).decode(errors="replace")
    except OSError:  # logrotate removed it meanwhile
        return []
    found = content.splitlines()
    return found[1:] if size > MAX_READ else found


def _open_regular(file: str) -> IO[bytes]:
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.fdopen(handle, "rb")


def lines_since(texts: Iterable[str], since: float) -> Iterator[str]:
    """Yield the lines that are not older; one without a time belongs to the line before it.

    In a file without any times, every line is yielded.
    """
    wanted = True
    for text in texts:
        found = line_time(text)
        if found is not None:
            wanted = found >= since
        if wanted:
            yield text


def line_time(text: str) -> float | None:
    """Return the time of a log line in seconds since 1970; None if it has none that is known."""
    head = text[:_HEAD]
    try:
        if match := _ISO.search(head):
            year, month, day, hour, minute, second, zone = match.groups()
        elif match := _WEB.search(head):
            day, name, year, hour, minute, second, zone = match.groups()
            month = MONTHS.index(name) + 1
        elif match := _SYSLOG.match(head):
            name, day, hour, minute, second = match.groups()
            return _timestamp_without_year(
                lambda year: datetime(
                    year, MONTHS.index(name) + 1, int(day), int(hour), int(minute), int(second)
                )
            )
        else:
            return None
        found = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=_parse_timezone(zone),
        )
        return found.timestamp()
    except (ValueError, OverflowError):
        return None


def _parse_timezone(text: str | None) -> timezone | None:
    """Return the zone of a time; without one it is the node's own."""
    if not text:
        return None
    if text == "Z":
        return timezone.utc
    digits = text[1:].replace(":", "")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if text[0] == "-" else shift)


def _timestamp_without_year(of_year: Callable[[int], datetime]) -> float:
    year = time.localtime().tm_year
    found = of_year(year).timestamp()
    # In January, lines of December are from the year before.
    return found if found < time.time() + 86_400 else of_year(year - 1).timestamp()


def _print_and_follow(
    units: Iterable[str], positions: dict[str, int | None], since: float, lines: int
) -> None:
    """Print older lines, then each new one, until the connection is closed."""
    units = list(units)
    if units:
        start = _print_journal_and_return_cursor_option(units, since, lines)
        journal = _start_journalctl(units, start, "--follow", "--no-tail")
        threading.Thread(target=_print_journal_until_end, args=(journal,), daemon=True).start()
    for file in positions:
        _print_last_lines_of_file(file, since, lines)
    beat = time.monotonic()
    while True:
        for file in positions:
            positions[file] = _print_new_lines_and_return_position(file, positions[file] or 0)
        if time.monotonic() - beat > HEARTBEAT_SECONDS:
            beat = time.monotonic()
            with _print_lock:
                print(json.dumps({"event": "heartbeat"}), flush=True)
        time.sleep(PAUSE_SECONDS)


def _print_journal_until_end(process: subprocess.Popen[bytes]) -> None:
    try:
        for text in _read_lines_of_process(process):
            _print_log_line("journal", text)
    except BrokenPipeError:
        process.kill()
        os._exit(1)


def _print_new_lines_and_return_position(file: str, position: int) -> int:
    """Print complete lines after `position`, and return where the next ones begin."""
    size = _size_of_regular_file(file)
    if size is None:
        return position
    if size < position:  # logrotate made a new file, or emptied this one
        position = 0
    if size == position:
        return position
    start = max(position, size - MAX_READ)
    try:
        with _open_regular(file) as stream:
            stream.seek(start)
            content = stream.read(MAX_READ)
    except OSError:
        return position
    complete = content[: content.rfind(b"\n") + 1]
    for line in complete.splitlines():
        _print_log_line(file, line.decode(errors="replace"))
    return start + len(complete)

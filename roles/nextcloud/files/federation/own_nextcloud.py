"""This node's own Nextcloud: its list of trusted servers, its jobs, and its settings."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import https_client
from https_client import RequestFailed

OCC = "/usr/local/bin/occ"
REDIS = ("redis-cli", "-s", "/run/redis/redis-server.sock")
RELEASE = Path("/opt/nextcloud/current")
LOOPBACK = "127.0.0.1"
OCC_SECONDS = 45
MAX_OUTPUT = 1_000_000
ACCOUNT = "admin"
TOKEN_NAME = "chautari-federation"
SERVERS = "/ocs/v2.php/apps/federation/trusted-servers"
COMMAND = "federation:trusted-servers"
JOBS = "OCA\\Federation\\BackgroundJob\\"
ANSWER, REQUEST = "GetSharedSecret", "RequestSharedSecret"
OK, PENDING, FAILURE, REVOKED = 1, 2, 3, 4
_WORDS = {"ok": OK, "pending": PENDING, "failure": FAILURE, "access revoked": REVOKED}


class OwnProblem(Exception):
    """This node's own Nextcloud did not do what it was asked to; the text is for the journal."""


class TrustedServer(NamedTuple):
    """One entry of Nextcloud's list."""

    id: int
    url: str
    status: int


class Job(NamedTuple):
    """A background job about one server."""

    id: str
    token: str


def occ(*arguments: str, codes: Sequence[int] = (0,), answer: str = "") -> str:
    """Return what one of Nextcloud's own commands prints.

    Raises:
        OwnProblem: when it fails or takes too long.
    """
    try:
        done = subprocess.run(
            [OCC, *arguments], capture_output=True, input=answer.encode(), timeout=OCC_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OwnProblem(f"occ {arguments[0]}: {type(error).__name__}") from None
    text = done.stdout[:MAX_OUTPUT].decode(errors="replace")
    if done.returncode not in codes:
        raise OwnProblem(f"occ {arguments[0]} returned {done.returncode}: {text[-300:]!r}")
    return text


def _occ_json(*arguments: str) -> list[Any]:
    """Return the list that a command prints; some releases print lines of text before it."""
    lines = occ(*arguments, "--output=json").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else []
    except (ValueError, RecursionError):
        raise OwnProblem(f"occ {arguments[0]} printed no JSON") from None
    if not isinstance(found, list):
        raise OwnProblem(f"occ {arguments[0]} printed no list")
    return [item for item in found if isinstance(item, dict)]


class OwnNextcloud:
    """The Nextcloud of this node, which answers under `url`."""

    def __init__(self, url: str, folder: Path) -> None:
        """Take the address, and the folder for the app password."""
        self.url = url
        self._token_file = folder / "app-password"
        self._has_command: bool | None = None

    def is_ready(self) -> bool:
        """Return whether it responds and is neither in maintenance mode nor before an upgrade."""
        try:
            answer = https_client.request(f"{self.url}/status.php", address=LOOPBACK)
            status = answer.json_object()
        except RequestFailed:
            return False
        return answer.status == 200 and [
            status.get(key) for key in ("installed", "maintenance", "needsDbUpgrade")
        ] == [True, False, False]

    def address(self) -> str:
        """Return the address with which it names itself to others."""
        return occ("config:system:get", "overwrite.cli.url", codes=(0, 1)).strip().rstrip("/")

    def signs(self) -> bool:
        """Return whether it signs what it sends to other servers."""
        value = occ("config:app:get", "core", "ocm_signed_request_disabled", codes=(0, 1))
        return value.strip().lower() not in ("1", "true", "yes", "on")

    def servers(self) -> list[TrustedServer]:
        """Return Nextcloud's list of trusted servers."""
        if self._has_federation_command():
            return _parse_server_table(occ(COMMAND, "--list"))
        status, data = self._call_ocs("GET", SERVERS)
        if status != 200 or not isinstance(data, list):
            raise OwnProblem(f"the list of trusted servers could not be read: status {status}")
        return [
            TrustedServer(int(item["id"]), str(item["url"]).rstrip("/"), int(item["status"]))
            for item in data
        ]

    def add(self, url: str) -> bool:
        """Add a server; return False if Nextcloud itself did not reach it.

        A server that is in the list already is left as it is.
        """
        if self._has_federation_command():
            occ(COMMAND, "--add", url)
            return True
        status, _ = self._call_ocs("POST", SERVERS, {"url": url})
        if status not in (200, 404, 409):
            raise OwnProblem(f"{url} could not be added: status {status}")
        return status != 404

    def remove(self, server: TrustedServer) -> None:
        """Remove a server; Nextcloud then deletes its jobs."""
        if self._has_federation_command():
            occ(COMMAND, "--remove", server.url)
            return
        status, _ = self._call_ocs("DELETE", f"{SERVERS}/{server.id}")
        if status not in (200, 404):
            raise OwnProblem(f"{server.url} could not be removed: status {status}")

    def jobs(self, url: str, kind: str) -> list[Job]:
        """Return the jobs of one kind that exchange the secret with a server."""
        found = []
        for item in _occ_json("background-job:list", f"--class={JOBS}{kind}"):
            argument = _parse_job_argument(item)
            if str(argument.get("url")).rstrip("/") == url:
                found.append(Job(str(item.get("id")), str(argument.get("token"))))
        return found

    def execute(self, job: Job) -> None:
        """Run a job at once; another process may have finished it meanwhile."""
        occ("background-job:execute", "--force-execute", job.id, codes=(0, 1))

    def delete(self, job: Job) -> None:
        """Delete a job; the command asks for a confirmation."""
        occ("background-job:delete", job.id, codes=(0, 1), answer="y\n")

    def synchronize(self) -> None:
        """Fetch the address books of all servers; Nextcloud then counts a server as trusted."""
        occ("federation:sync-addressbooks")

    def forget_discovery(self, url: str) -> None:
        """Delete what Nextcloud remembers of a server's abilities, so that it looks again."""
        host = url.removeprefix("https://")
        keys = subprocess.run(
            [*REDIS, "--raw", "--scan", "--pattern", f"*-discovery*https://{host}*"],
            capture_output=True,
            timeout=OCC_SECONDS,
        ).stdout.splitlines()
        if keys:
            subprocess.run([*REDIS, "unlink", *keys[:20]], capture_output=True, timeout=OCC_SECONDS)

    def delete_token(self) -> None:
        """Delete every app password of this program."""
        for item in _occ_json("user:auth-tokens:list", ACCOUNT):
            if item.get("name") == TOKEN_NAME:
                occ("user:auth-tokens:delete", ACCOUNT, str(item.get("id")), codes=(0, 1))
        self._token_file.unlink(missing_ok=True)

    def _has_federation_command(self) -> bool:
        if self._has_command is None:
            # A release does not change its commands, and asking takes as long as a command.
            seen, release = self._token_file.with_name("commands"), os.fspath(RELEASE.resolve())
            known = seen.read_text().split("\n") if seen.is_file() else []
            if known[:1] != [release]:
                known = [release, COMMAND if COMMAND in occ("list", "--raw", "federation") else ""]
                seen.write_text("\n".join(known))
            self._has_command = known[1:] == [COMMAND]
        return self._has_command

    def _call_ocs(
        self, method: str, path: str, fields: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return the status and the data of a request to Nextcloud's own interface.

        An app password of its own works after a change of the account's password, and with a second
        factor.
        """
        for attempt in range(2):
            token = self._read_or_create_app_password()
            answer = self._send_ocs_request(method, path, fields, token)
            if answer.status != 401 or attempt:
                break
            self.delete_token()
        try:
            return answer.status, answer.json_object()["ocs"]["data"]
        except (RequestFailed, KeyError, TypeError):
            raise OwnProblem(f"{method} {path} returned no usable answer") from None

    def _send_ocs_request(
        self, method: str, path: str, fields: dict[str, str] | None, token: str
    ) -> https_client.Answer:
        login = base64.b64encode(f"{ACCOUNT}:{token}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "OCS-APIRequest": "true"}
        body = urlencode(fields, quote_via=quote) if fields else None
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            return https_client.request(
                f"{self.url}{path}?format=json",
                method=method, address=LOOPBACK, headers=headers, body=body,
            )  # fmt: skip
        except RequestFailed as failure:
            raise OwnProblem(f"{method} {path}: {failure.reason}") from None

    def _read_or_create_app_password(self) -> str:
        if self._token_file.is_file() and (token := self._token_file.read_text().strip()):
            return token
        name = f"--name={TOKEN_NAME}"
        lines = occ("user:auth-tokens:add", ACCOUNT, name, "--no-interaction").strip().splitlines()
        if not lines or not re.fullmatch(r"[A-Za-z0-9]{20,200}", lines[-1].strip()):
            raise OwnProblem("occ user:auth-tokens:add printed no app password")
        token = lines[-1].strip()
        descriptor = os.open(self._token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        return token


def _parse_job_argument(item: dict[str, Any]) -> dict[str, Any]:
    """Return what a job is about: JSON in a text."""
    try:
        found = json.loads(item.get("argument") or "")
    except (ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parse_server_table(text: str) -> list[TrustedServer]:
    """Return the servers in the table that Nextcloud's command prints."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].isdigit():
            status = _WORDS.get(cells[2]) or (int(cells[2]) if cells[2].isdigit() else FAILURE)
            found.append(TrustedServer(int(cells[0]), cells[1].rstrip("/"), status))
    return found

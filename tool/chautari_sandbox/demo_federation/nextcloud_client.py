"""A Nextcloud as its people use it: accounts, files and shares over its public API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import requests

from chautari.checks.outside import Web
from chautari.errors import RunFailed

SHARES = "/ocs/v2.php/apps/files_sharing/api/v1"
TRUSTED_SERVERS = "/ocs/v2.php/apps/federation/trusted-servers"
USERS = "/ocs/v2.php/cloud/users"
FEDERATED_SHARE, MAY_READ = 6, 1
ALREADY_EXISTS = 102


class Account(NamedTuple):
    """A person's account, or the administrator's."""

    host: str
    name: str
    password: str
    ca_file: str

    def request(self, method: str, path: str, data: object = None) -> requests.Response:
        """Send one request as this person.

        Raises:
            RunFailed: when the server does not answer.
        """
        headers = {"OCS-APIRequest": "true", "Accept": "application/json"}
        with Web(self.ca_file) as web:
            try:
                return web.request(
                    method, f"https://{self.host}{path}", data=data, headers=headers,
                    auth=(self.name, self.password),
                )  # fmt: skip
            except requests.RequestException as error:
                raise RunFailed(f"{self.host} does not answer: {error}") from None

    def call_ocs(
        self,
        method: str,
        path: str,
        fields: Mapping[str, object] | None = None,
        good: tuple[int, ...] = (200,),
    ) -> Any:
        """Call Nextcloud's OCS API and return the data of its answer.

        Raises:
            RunFailed: with the answer, if its status is not in `good`.
        """
        answer = self.request(method, path, fields)
        try:
            found = answer.json()["ocs"]
            status, message = int(found["meta"]["statuscode"]), str(found["meta"]["message"])
        except (ValueError, KeyError, TypeError):
            status, message, found = answer.status_code, answer.text[:300], {}
        if status not in good:
            raise RunFailed(f"{self.host} refuses {method} {path}: {status} {message}")
        return found.get("data")

    def write(self, file: str, content: str) -> None:
        """Upload a text file."""
        self._expect_status(
            self.request("PUT", self._webdav_path(file), content.encode()), (201, 204)
        )

    def read(self, file: str) -> str | None:
        """Return the text of a file; None when there is none."""
        answer = self.request("GET", self._webdav_path(file))
        self._expect_status(answer, (200, 404))
        return answer.text if answer.status_code == 200 else None

    def delete(self, file: str) -> None:
        """Delete a file, if it is there."""
        self._expect_status(self.request("DELETE", self._webdav_path(file)), (204, 404))

    def share(self, file: str, with_whom: str) -> str:
        """Share a file with a person of another Nextcloud, and return the share's number."""
        kind = {"shareType": FEDERATED_SHARE, "permissions": MAY_READ}
        fields = {"path": f"/{file}", "shareWith": with_whom, **kind}
        shared = self.call_ocs("POST", f"{SHARES}/shares", fields)
        return str(shared["id"])

    def unshare(self, number: str) -> None:
        """Take a share back."""
        self.call_ocs("DELETE", f"{SHARES}/shares/{number}")

    def find_path_of_received_file(self, file: str) -> str | None:
        """Return where a shared file lies here; None until the share was accepted."""
        shares = self.call_ocs("GET", f"{SHARES}/remote_shares")
        return next(
            (item["mountpoint"].lstrip("/") for item in shares if item["name"].lstrip("/") == file),
            None,
        )

    def trusted_servers(self) -> dict[str, int]:
        """Return the addresses of the servers that this one trusts, with Nextcloud's states."""
        found = self.call_ocs("GET", TRUSTED_SERVERS)
        return {str(item["url"]): int(item["status"]) for item in found}

    def _webdav_path(self, file: str) -> str:
        return f"/remote.php/dav/files/{self.name}/{file}"

    def _expect_status(self, answer: requests.Response, accepted_codes: tuple[int, ...]) -> None:
        if answer.status_code not in accepted_codes:
            raise RunFailed(
                f"{answer.request.method} {answer.url} as {self.name} returned "
                f"{answer.status_code}: {answer.text[:300]}"
            )


def ensure_account(admin: Account, name: str, password: str) -> Account:
    """Return the account of a person; the administrator creates it once."""
    admin.call_ocs("POST", USERS, {"userid": name, "password": password}, (200, ALREADY_EXISTS))
    return admin._replace(name=name, password=password)


def fetch_page(url: str, ca_file: str) -> str:
    """Return the page at `url`.

    Raises:
        RunFailed: when there is none.
    """
    with Web(ca_file) as web:
        try:
            answer = web.get(url)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise RunFailed(f"{url} cannot be read: {error}") from None
    return answer.text

"""Which lines of Nextcloud's log the checks of its role accept."""

from typing import Any

import pytest
import yaml
from role_samples import ROLES

from chautari.checks.expected_log_lines import is_expected_log_line

KNOWN = yaml.safe_load((ROLES / "nextcloud" / "checks" / "known_log_lines.yml").read_text())
JOB = "Error while running background job OCA\\Theming\\Jobs\\"
MIGRATION = JOB + 'MigrateBackgroundImages (id: 126, arguments: {"stage":"prepare"})'
SLOW = "Capabilities of OCA\\Theming\\Capabilities took 0.92 seconds to generate."
EXPIRY = (
    "Error while running background job OC\\Command\\CommandJob "
    '(id: 1, arguments: "O:33:\\"OCA\\Files_Trashbin\\Command\\Expire\\":1:{}")'
)
OTHER_PROPERTY = (
    "Typed property OCA\\Files_Trashbin\\Command\\Expire::$userId"
    " must not be accessed before initialization"
)
NO_TRASH = {"Message": "/ana/files_trashbin"}
NOT_FOUND = {"Exception": "OCP\\Files\\NotFoundException"}
NO_USER = {"Exception": "OC\\User\\NoUserException", "Message": "Backends provided no user object"}


def accepts(app: str, message: str, exception: dict[str, str] | None = None) -> bool:
    entry: dict[str, Any] = {"app": app, "message": message, "level": 3}
    return is_expected_log_line(entry | {"exception": exception}, KNOWN)


@pytest.mark.parametrize(
    ("app", "message", "exception"),
    [
        ("core", MIGRATION, NOT_FOUND | {"Message": "/appdata_oc1rltmeryeo/theming/global"}),
        ("files", "Backends provided no user object for ana@cloud.peer.example.org/", NO_USER),
        ("core", EXPIRY, {"Exception": "Error", "Message": OTHER_PROPERTY}),
        ("files_trashbin", "Error while expiring trashbin for user ana", NOT_FOUND | NO_TRASH),
        ("no app in context", SLOW, None),
        ("no app in context", SLOW.replace("OCA\\Theming", "OC\\Security\\Bruteforce"), None),
        ("appstoreFetcher", "Could not read appstore cache file", None),
        ("appstoreFetcher", "GET resulted in a 403 response:\n<html>", None),
    ],
)
def test_is_known_line_accepts_what_healthy_instances_write(
    app: str, message: str, exception: dict[str, str] | None
) -> None:
    assert accepts(app, message, exception)


@pytest.mark.parametrize(
    ("app", "message", "exception"),
    [
        ("core", MIGRATION, NOT_FOUND | {"Message": "/appdata_oc1rltmeryeo/theming/users"}),
        ("core", MIGRATION, {"Exception": "Error", "Message": "/appdata_x/theming/global"}),
        ("core", MIGRATION, None),
        ("core", JOB + "Another (id: 1)", NOT_FOUND | {"Message": "/appdata_x/theming/global"}),
        ("files", "Backends provided no user object for ana", NO_USER),
        ("files", "Backends provided no user object for ana@b\nmore", NO_USER),
        ("files", "The disk is full", None),
        ("core", EXPIRY, {"Exception": "Error", "Message": "Call to undefined method"}),
        ("files_trashbin", "Error while expiring trashbin for user ana", None),
    ],
)
def test_is_known_line_refuses_everything_else(
    app: str, message: str, exception: dict[str, str] | None
) -> None:
    assert not accepts(app, message, exception)


def test_each_known_line_names_its_reason_and_source() -> None:
    for line in KNOWN:
        assert {"app", "message", "why", "source"} <= set(line)
        assert {"issue", "observed"} & set(line) or line["message"] == ".*", line["message"]

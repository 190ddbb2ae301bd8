"""Double of Greenlight, for the sandbox only: what `rails` does, and its pages."""

from __future__ import annotations

import json
import os
import smtplib
import sys
from collections.abc import Callable
from pathlib import Path

from .common import (
    NOTICE,
    Answer,
    Request,
    call_meeting_server,
    run_redis_command,
    run_sql,
    serve_http,
    split_rake_task,
)

REQUIRED = (
    "SECRET_KEY_BASE", "BIGBLUEBUTTON_ENDPOINT", "BIGBLUEBUTTON_SECRET", "DATABASE_URL", "REDIS_URL"
)  # fmt: skip
TABLES = """
CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY);
CREATE TABLE IF NOT EXISTS roles (id serial PRIMARY KEY, name varchar, provider varchar);
CREATE TABLE IF NOT EXISTS users (id serial PRIMARY KEY, name varchar, email varchar,
  provider varchar, role_id integer, password_digest varchar, UNIQUE (email, provider));
CREATE TABLE IF NOT EXISTS settings (id serial PRIMARY KEY, name varchar UNIQUE);
CREATE TABLE IF NOT EXISTS site_settings (id serial PRIMARY KEY, setting_id integer,
  provider varchar, value varchar, UNIQUE (setting_id, provider));
INSERT INTO settings (name) VALUES ('RegistrationMethod') ON CONFLICT DO NOTHING;
INSERT INTO site_settings (setting_id, provider, value)
  SELECT id, 'greenlight', 'open' FROM settings WHERE name = 'RegistrationMethod'
  ON CONFLICT DO NOTHING;
INSERT INTO roles (name, provider) SELECT 'Administrator', 'greenlight'
  WHERE NOT EXISTS (SELECT 1 FROM roles WHERE name = 'Administrator' AND provider = 'greenlight');
"""


def health_answer() -> Answer:
    """Say what upstream's page of health says."""
    looks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("Database", lambda: run_sql("SELECT 1 FROM schema_migrations")),
        ("Redis", lambda: run_redis_command("PING")),
        ("SMTP Server", test_smtp_connection),
        ("BigBlueButton", test_meeting_server),
    )
    for name, look in looks:
        try:
            look()
        except Exception as error:
            return 500, "text/plain", f"Unable to connect to {name} - {error}", {}
    return 200, "text/plain", "success", {}


def test_smtp_connection() -> None:
    """Greet the mail server."""
    if "SMTP_SERVER" in os.environ:
        smtplib.SMTP(os.environ["SMTP_SERVER"], int(os.environ["SMTP_PORT"]), timeout=10).quit()


def test_meeting_server() -> None:
    """Ask the meeting server as upstream does: signed with SHA-1."""
    url, secret = os.environ["BIGBLUEBUTTON_ENDPOINT"], os.environ["BIGBLUEBUTTON_SECRET"]
    answer = call_meeting_server(url, secret, "isMeetingRunning", "sha1", meetingID="0")
    if answer.findtext("returncode") != "SUCCESS":
        raise RuntimeError(answer.findtext("message"))


def answer_request(request: Request) -> Answer:
    """Answer one request as Rails in production does."""
    host = request.headers.get("Host", "")
    path = request.path.split("?")[0]
    if path == "/health_check":  # neither the name nor the protocol matters here
        return health_answer()
    if os.environ.get("URL_HOST") not in (None, "", host):
        return 403, "text/plain", f"Blocked hosts: {host}", {}
    if request.headers.get("X-Forwarded-Proto") != "https":
        return 301, "text/plain", "", {"Location": f"https://{host}{request.path}"}
    text = f"<!DOCTYPE html><title>BigBlueButton</title><p>{NOTICE}: Greenlight</p>"
    return 200, "text/html; charset=utf-8", text, {}


def migrate_database() -> None:
    """Bring the database to the release's state."""
    run_sql(TABLES)
    run_sql("INSERT INTO schema_migrations VALUES ('double') ON CONFLICT DO NOTHING")


def serve_pages(words: list[str]) -> None:
    """Serve where `-b` and `-p` say, once files can be kept."""
    given = dict(zip(words[::2], words[1::2], strict=True))
    Path("/usr/src/app/storage/.writable").touch()
    serve_http(answer_request, given["-b"], int(given["-p"]))


def apply_role_settings(text: str) -> None:
    """Do what the role's script would do: its settings are JSON in the middle of it."""
    given = json.loads(text.split("<<'SETTINGS')\n")[1].split("\nSETTINGS\n")[0])
    changed = []
    now = run_sql("SELECT value FROM site_settings WHERE provider = 'greenlight'")
    if now != [(given["registration"],)]:
        run_sql(
            "UPDATE site_settings SET value = %s WHERE provider = 'greenlight'",
            given["registration"],
        )
        changed.append("registration")
    if not run_sql("SELECT 1 FROM users WHERE email = %s", given["email"]):
        run_sql(
            "INSERT INTO users (name, email, provider, role_id, password_digest)"
            " SELECT 'Administrator', %s, 'greenlight', id, md5(%s) FROM roles"
            " WHERE name = 'Administrator'",
            given["email"],
            given["password"],
        )
        changed.append("administrator")
    if changed:
        print("changed:", *changed)


def check_configuration() -> None:
    """Do upstream's check: it ends with 1 at the first thing that is wrong."""
    for name in REQUIRED:
        if not os.environ.get(name, "").strip():
            sys.exit(f"Failed - {name} not set correctly")
    status, _, text, _ = health_answer()
    if status != 200:
        sys.exit(f"Failed - {text}")
    print("Passed")


def main(words: list[str]) -> None:
    """Do what a command of the image does."""
    if words == ["rails", "assets:precompile"]:
        Path("/usr/src/app/public/assets").mkdir(exist_ok=True)
    elif words == ["rails", "db:migrate:with_data"]:
        migrate_database()
    elif words[:2] == ["rails", "server"]:
        serve_pages(words[2:])
    elif words[:2] == ["rails", "runner"]:
        apply_role_settings(sys.stdin.read())
    elif words[:1] == ["rake"] and split_rake_task(words[1])[0] == "configuration:check":
        check_configuration()
    else:
        sys.exit(f"the double of Greenlight does not have this command: {' '.join(words)}")


if __name__ == "__main__":
    main(sys.argv[1:])

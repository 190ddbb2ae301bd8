"""Runs on a node with the double of Nextcloud: two more servers of it on loopback federate.

Prints one JSON object: what each step gave. Uses the standard library only, and removes the
servers again.
"""

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

CODE = os.environ.get("DOUBLE_CODE", "/opt/nextcloud/current")
PHP = os.environ.get("DOUBLE_PHP", "php")
SQL = os.environ.get("DOUBLE_SQL", "chautari-psql -XtAq").split()
SQL_PORT = os.environ.get("DOUBLE_SQL_PORT", "")
REDIS = os.environ.get("DOUBLE_REDIS", "/run/redis/redis-server.sock")
REDIS_PORT = os.environ.get("DOUBLE_REDIS_PORT", "0")
AS_ACCOUNT = os.environ.get("DOUBLE_AS", "runuser -u www-data --").split()
SECRET = secrets.token_hex(12)
JOBS = "OCA\\Federation\\BackgroundJob\\"
TRUSTED = "/ocs/v2.php/apps/federation/trusted-servers"
SHARES = "/ocs/v2.php/apps/files_sharing/api/v1"
ROUTER = """<?php
$root = $_SERVER['DOCUMENT_ROOT'];
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$file = rtrim($path, '/') === '/ocs-provider' ? 'ocs-provider/index.php' : 'index.php';
foreach (['remote.php', 'public.php', 'status.php', 'ocs/v2.php'] as $name) {
    $file = str_starts_with("$path/", "/$name/") ? $name : $file;
}
require "$root/$file";
"""
SETTINGS = """<?php
$CONFIG = [
    'trusted_domains' => ['127.0.0.1:%(port)s'],
    'overwrite.cli.url' => 'http://127.0.0.1:%(port)s',
    'allow_local_remote_servers' => true, 'htaccess.IgnoreFrontController' => true,
    'memcache.distributed' => '\\OC\\Memcache\\Redis',
    'redis' => ['host' => '%(redis)s', 'port' => %(redis_port)s],
];
"""


def sql(text: str) -> str:
    done = subprocess.run([*SQL, "--command", text], capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Server:
    """One Nextcloud: its settings, data, database and web server."""

    def __init__(self, folder: Path, name: str, port: int) -> None:
        self.name, self.port, self.url = name, port, f"http://127.0.0.1:{port}"
        self.folder, self.database = folder / name, f"two_servers_{name}"
        self.web: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        for part in ("config", "data"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "config/CAN_INSTALL").touch()
        (self.folder / "router.php").write_text(ROUTER)
        values = {"port": self.port, "redis": REDIS, "redis_port": REDIS_PORT}
        (self.folder / "config/loopback.config.php").write_text(SETTINGS % values)
        if AS_ACCOUNT:
            subprocess.run(["chown", "-R", "www-data:", str(self.folder)], check=True)
        sql(f"CREATE DATABASE {self.database} OWNER two_servers")
        port = SQL_PORT or sql("SHOW port")
        login = f"--database-user=two_servers --database-pass={SECRET}"
        self.occ(
            *f"maintenance:install --database=pgsql --database-host=127.0.0.1:{port}".split(),
            *f"--database-name={self.database} --data-dir={self.folder}/data {login}".split(),
            f"--admin-pass={SECRET}",
        )
        self.start()

    def command(self, *words: str) -> list[str]:
        settings = f"NEXTCLOUD_CONFIG_DIR={self.folder}/config"
        return [*AS_ACCOUNT, "env", settings, "PHP_CLI_SERVER_WORKERS=4", *words]

    def start(self) -> None:
        words = (PHP, "-S", f"127.0.0.1:{self.port}", "-t", CODE, f"{self.folder}/router.php")
        self.web = subprocess.Popen(
            self.command(*words),
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "web.log").open("ab"),
            start_new_session=True,
        )
        for _ in range(100):
            if self.ask("GET", "/status.php")[0] == 200:
                return
            time.sleep(0.1)
        log = (self.folder / "web.log").read_text()
        raise RuntimeError(f"server {self.name} does not answer: {log}")

    def stop(self) -> None:
        if self.web is not None:
            os.killpg(self.web.pid, signal.SIGKILL)
            self.web.wait()
            self.web = None

    def occ(self, *words: str) -> str:
        command = self.command(PHP, f"{CODE}/occ", *words)
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise RuntimeError(f"occ {words[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def cron(self) -> None:
        time.sleep(1.1)  # Jobs are ordered by the second.
        subprocess.run(self.command(PHP, f"{CODE}/cron.php"), check=True, cwd="/")

    def jobs(self, name: str) -> list[dict[str, Any]]:
        return json.loads(self.occ("background-job:list", f"--class={name}", "--output=json"))

    def ask(
        self, method: str, path: str, body: object = None, account: str = "admin"
    ) -> tuple[int, bytes]:
        login = base64.b64encode(f"{account}:{SECRET}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "OCS-APIRequest": "true"}
        headers["Accept"] = "application/json"
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body).encode()
        elif isinstance(body, list):
            body, headers["Content-Type"] = json.dumps(body[0]).encode(), "application/json"
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def data(self, method: str, path: str, body: object = None, account: str = "admin") -> Any:
        return json.loads(self.ask(method, path, body, account)[1])["ocs"]["data"]

    def trust(self, url: str) -> int:
        return self.ask("POST", TRUSTED, {"url": url})[0]

    def statuses(self) -> list[int]:
        return [server["status"] for server in self.data("GET", TRUSTED)]

    def read(self, path: str, account: str) -> tuple[int, str]:
        status, content = self.ask("GET", f"/remote.php/dav/files/{account}/{path}", None, account)
        return status, content.decode() if status == 200 else ""

    def share(
        self, path: str, account: str, recipient: str, permissions: int = 1
    ) -> tuple[int, str]:
        fields = {"path": path, "shareType": 6, "shareWith": recipient, "permissions": permissions}
        status, body = self.ask("POST", f"{SHARES}/shares", fields, account)
        data = json.loads(body)["ocs"]["data"]
        return status, data["id"] if status == 200 else ""

    def log(self) -> str:
        file = self.folder / "data/nextcloud.log"
        return file.read_text() if file.exists() else ""


def trust(andes: Server, himalaya: Server) -> dict[str, object]:
    """Add each server to the other's list, one after the other, until both are green."""
    urls = ("http://127.0.0.1:9", "himalaya.example.org", himalaya.url, himalaya.url)
    found: dict[str, object] = {"add": [andes.trust(url) for url in urls]}
    andes.cron()
    [job] = andes.jobs(JOBS + "RequestSharedSecret")
    found["refused"] = [
        json.loads(job["argument"])["attempt"],
        andes.statuses(),
        f"remote server not trusted ({andes.url}) while requesting shared secret" in himalaya.log(),
    ]
    himalaya.trust(andes.url)
    for _ in range(2):
        andes.cron()
        himalaya.cron()
    found["exchanged"] = [server.statuses() for server in (andes, himalaya)]
    names = ("RequestSharedSecret", "GetSharedSecret")
    servers = (andes, himalaya)
    found["jobs left"] = [len(server.jobs(JOBS + name)) for server in servers for name in names]
    andes.occ("federation:sync-addressbooks")
    himalaya.occ("federation:sync-addressbooks")
    found["synchronised"] = [server.statuses() for server in (andes, himalaya)]
    return found


def share(andes: Server, himalaya: Server) -> dict[str, object]:
    """Share files of `luz` with `pema`, whose server accepts them by itself, then not."""
    pema = f"pema@{himalaya.url}"
    for server, account in ((andes, "luz"), (himalaya, "pema")):
        server.ask("POST", "/ocs/v2.php/cloud/users", {"userid": account, "password": SECRET})
    andes.ask("PUT", "/remote.php/dav/files/luz/notes.txt", b"from the Andes", "luz")
    status, number = andes.share("/notes.txt", "luz", pema)
    found: dict[str, object] = {"accepted": [status, *himalaya.read("notes.txt", "pema")]}
    found["read only"] = himalaya.ask("PUT", "/remote.php/dav/files/pema/notes.txt", b"x", "pema")[
        0
    ]
    revoked = andes.ask("DELETE", f"{SHARES}/shares/{number}", None, "luz")[0]
    found["revoked"] = [revoked, himalaya.read("notes.txt", "pema")[0]]
    himalaya.occ("config:app:set", "files_sharing", "federatedTrustedShareAutoAccept", "--value=no")
    andes.share("/notes.txt", "luz", pema)
    before = himalaya.read("notes.txt", "pema")[0]
    [offer] = himalaya.data("GET", f"{SHARES}/remote_shares/pending", None, "pema")
    himalaya.ask("POST", f"{SHARES}/remote_shares/pending/{offer['id']}", {}, "pema")
    found["asked"] = [before, *himalaya.read("notes.txt", "pema")]
    found["unknown account"] = andes.share("/notes.txt", "luz", f"nobody@{himalaya.url}")[0]
    himalaya.occ(
        "config:app:set", "files_sharing", "incoming_server2server_share_enabled", "--value=no"
    )
    andes.ask("PUT", "/remote.php/dav/files/luz/more.txt", b"more", "luz")
    found["incoming off"] = andes.share("/more.txt", "luz", pema)[0]
    forged = {
        "owner": f"luz@127.0.0.1:{andes.port}",
        "shareWith": pema,
        "name": "x",
        "providerId": "1",
    }
    status, body = himalaya.ask("POST", "/ocm/shares", [forged])
    found["unsigned"] = [status, json.loads(body)["message"]]
    return found


def fail(andes: Server, himalaya: Server) -> dict[str, object]:
    """Let one server be away, and then withdraw its trust."""
    himalaya.stop()
    [outgoing] = andes.data("GET", f"{SHARES}/shares", None, "luz")
    revoked = andes.ask("DELETE", f"{SHARES}/shares/{outgoing['id']}", None, "luz")[0]
    andes.occ("federation:sync-addressbooks")
    found: dict[str, object] = {
        "away": [
            revoked,
            andes.statuses(),
            len(andes.jobs("OCA\\FederatedFileSharing\\BackgroundJob\\RetryJob")),
        ]
    }
    himalaya.start()
    found["gone"] = himalaya.read("notes.txt", "pema")[0]
    [server] = himalaya.data("GET", TRUSTED)
    removed = [himalaya.ask("DELETE", f"{TRUSTED}/{server['id']}")[0] for _ in range(2)]
    andes.occ("federation:sync-addressbooks")
    found["withdrawn"] = [removed, andes.statuses()]
    knock = {"url": andes.url, "token": ""}
    found["knocks"] = [
        himalaya.ask("POST", "/ocs/v2.php/cloud/shared-secret", knock)[0] for _ in range(11)
    ]
    return found


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="two-servers-"))
    folder.chmod(0o755)
    servers = [Server(folder, name, port) for name, port in (("andes", 47101), ("himalaya", 47102))]
    try:
        sql(f"CREATE ROLE two_servers LOGIN PASSWORD '{SECRET}'")
        for server in servers:
            server.install()
        print(json.dumps(trust(*servers) | share(*servers) | fail(*servers)))
    finally:
        for server in servers:
            server.stop()
            sql(f"DROP DATABASE IF EXISTS {server.database} WITH (FORCE)")
        sql("DROP ROLE IF EXISTS two_servers")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

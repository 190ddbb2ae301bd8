"""Double of Scalelite, for the sandbox only: tasks of servers, the poller, the API of a pool."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ET

from .common import Answer, Request, ask, redis, serve, signed, sql, task

LENGTHS = {40: "sha1", 64: "sha256", 128: "sha512"}
# The calls that upstream routes; it answers any other with `unsupportedRequest`.
RECORDINGS = ("getRecordings", "publishRecordings", "updateRecordings", "deleteRecordings")
CALLS = ("isMeetingRunning", "getMeetingInfo", "getMeetings", "create", "end", "join", *RECORDINGS)
SERVER_FIELDS = {"url", "secret", "enabled", "load_multiplier", "tag"}
IGNORED_FIELDS = {"load", "state", "bbb_version", "online"}
MODES = ("keep", "cordon", "force")
XML = "text/xml; charset=utf-8"
GOOD = "<response><returncode>SUCCESS</returncode>{}</response>"
NO_RECORDINGS = (
    "<messageKey>noRecordings</messageKey>"
    "<message>There are no recordings for the meeting(s).</message>"
)
STATES = {"cordon": "cordoned", "enable": "enabled", "disable": "disabled"}


def servers() -> dict[str, dict[str, str]]:
    """Return all servers by name."""
    found = {}
    for name in sorted(redis("SMEMBERS", "servers")):
        flat = redis("HGETALL", f"server:{name}")
        found[name] = dict(zip(flat[::2], flat[1::2], strict=True))
    return found


def change(name: str, **values: object) -> None:
    """Set fields of a server; one that has an address may be new."""
    if name not in servers() and "url" not in values:
        sys.exit(f"ERROR: No server found with id: {name}")
    redis("SADD", "servers", name)
    for key, value in values.items():
        redis("HSET", f"server:{name}", key, value)


def sync(text: str, mode: str) -> None:
    """Bring the servers to a list, cordoning those that are not in it."""
    wanted = json.loads(text)["servers"]
    if mode not in MODES:
        sys.exit(f"ERROR: Unknown sync mode '{mode}' (choose: {', '.join(MODES)})")
    for name, server in wanted.items():
        if reason := fault(name, server):
            sys.exit(f"ERROR: Server id={name} {reason}")
    for name, server in wanted.items():
        state = "enabled" if server.get("enabled", True) else "cordoned"
        multiplier, tag = float(server.get("load_multiplier") or 1), server.get("tag") or ""
        change(name, url=server["url"], secret=server["secret"], state=state)
        change(name, load_multiplier=multiplier, tag=tag)
    if mode == "keep":
        return
    for name in set(servers()) - set(wanted):
        if redis("SMEMBERS", f"meetings:{name}"):
            change(name, state="cordoned")
        else:
            redis("SREM", "servers", name)
            redis("DEL", f"server:{name}")


def fault(name: str, server: dict[str, object]) -> str:
    """Return why upstream refuses an entry of the list; nothing if it accepts it."""
    unknown = sorted(set(server) - SERVER_FIELDS - IGNORED_FIELDS)
    if not re.fullmatch(r"[a-zA-Z0-9_.-]+", name):
        return "contains invalid characters"
    if not server.get("secret"):
        return "has no secret"
    if unknown:
        return f"has bad parameters: {unknown}"
    if not re.match(r"https?://[^/]", str(server.get("url", ""))):
        return f"has invalid url={server.get('url')}"
    return ""


def show() -> None:
    """List the servers for people."""
    for name, server in servers().items():
        online = "online" if server.get("online") == "true" else "offline"
        print(
            f"id: {name}\n\turl: {server['url']}\n\tsecret: {server['secret']}\n\t{server['state']}"
        )
        print(f"\tload: {server.get('load', 'unavailable')}")
        print(f"\tload multiplier: {server.get('load_multiplier', '1.0')}\n\tbbb version: ")
        print(f"\ttag: {server.get('tag', '')}\n\t{online}")


def yaml() -> None:
    """List the servers for `servers:sync`."""
    print("---\nservers:" + ("" if servers() else " {}"))
    for name, server in servers().items():
        print(f"  {name}:\n    url: {server['url']}\n    secret: {server['secret']}")
        print(f"    load_multiplier: {server.get('load_multiplier', '1.0')}")
        print(f"    tag: '{server.get('tag', '')}'")
        print(f"    enabled: {str(server['state'] == 'enabled').lower()}")


def rake(argument: str) -> None:
    """Do one task."""
    name, given = task(argument)
    if name == "db:migrate":
        sql("CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)")
    elif name == "servers":
        show()
    elif name == "status":
        for server, about in servers().items():
            print(server, about["state"], "online" if about.get("online") == "true" else "offline")
    elif name == "servers:yaml":
        yaml()
    elif name == "servers:sync" and given[0] == "-":
        sync(sys.stdin.read(), given[1] if len(given) > 1 else "cordon")
    elif name in ("servers:cordon", "servers:enable", "servers:disable"):
        change(given[0], state=STATES[name.partition(":")[2]])
        print("OK")
    elif name == "poll":
        poll(int(given[0]))
    else:
        sys.exit(f"rake aborted!\nDon't know how to build task '{name}'")


def poll(seconds: int) -> None:
    """Look at every server, again and again."""
    while True:
        for name, server in servers().items():
            try:
                answer = ask(server["url"], server["secret"], "getMeetings")
                good = answer.findtext("returncode") == "SUCCESS"
                load = len(answer.findall("meetings/meeting"))
            except Exception as error:
                print(f"{name}: {error}", flush=True)
                good, load = False, 0
            change(name, online=str(good).lower(), load=load)
        time.sleep(seconds if all(s.get("online") == "true" for s in servers().values()) else 5)


def failed(key: str, text: str) -> Answer:
    """Refuse a call."""
    return (
        200,
        XML,
        (
            f"<response><returncode>FAILED</returncode><messageKey>{key}</messageKey>"
            f"<message>{text}</message></response>"
        ),
        {},
    )


def chosen(meeting: str) -> str | None:
    """Return the server of a meeting, or the one with the least load."""
    name: str | None = redis("HGET", "meetings", meeting)
    if name:
        return name
    free = [
        (int(s.get("load", 0)), n)
        for n, s in servers().items()
        if s["state"] == "enabled" and s.get("online") == "true"
    ]
    return min(free)[1] if free else None


def health() -> Answer:
    """Say what upstream's page of health says; its status is 200 in both cases."""
    try:
        sql("SELECT 1 FROM schema_migrations")
        redis("SET", "__health_check_set__", "true", "EX", "10")
    except Exception as error:
        return 200, "text/plain", f"Health Check Failure: {error}", {}
    return 200, "text/plain", "success", {}


def api(request: Request) -> Answer:
    """Answer one request."""
    path = urllib.parse.urlsplit(request.path)
    host = request.headers.get("Host", "")
    if os.environ.get("URL_HOST") not in (None, "", host):
        return 403, "text/plain", f"Blocked hosts: {host}", {}
    if path.path in ("/", "/health_check"):
        return health()
    if path.path.rstrip("/") == "/bigbluebutton/api":
        return 200, XML, GOOD.format("<version>2.0</version>"), {}
    call = path.path.removeprefix("/bigbluebutton/api/")
    if call not in CALLS:
        return failed("unsupportedRequest", "This request is not supported.")
    query = path.query.split("&")
    given = dict(urllib.parse.parse_qsl(path.query))
    checksum = given.pop("checksum", "")
    text = "&".join(part for part in query if not part.startswith("checksum="))
    secret = os.environ["LOADBALANCER_SECRET"]
    algorithm = LENGTHS.get(len(checksum))
    signed_text = f"{call}{text}{secret}".encode()
    if algorithm is None or hashlib.new(algorithm, signed_text).hexdigest() != checksum:
        return failed("checksumError", "You did not pass the checksum security check")
    return handed_on(call, given)


def handed_on(call: str, given: dict[str, str]) -> Answer:
    """Hand a call on to the server of its meeting."""
    if call == "getMeetings":
        return 200, XML, GOOD.format("<meetings/>"), {}
    if call == "getRecordings":
        return 200, XML, GOOD.format("<recordings/>" + NO_RECORDINGS), {}
    if call in RECORDINGS:
        return failed("notFound", "We could not find recordings")
    meeting = given.get("meetingID", "")
    name = chosen(meeting) if call == "create" else redis("HGET", "meetings", meeting)
    if name is None:
        if call == "isMeetingRunning":
            return (
                200,
                XML,
                GOOD.format("<running>false</running>"),
                {},
            )
        if call == "create":
            return failed("internalError", "Could not find any available servers.")
        text = "We could not find a meeting with that meeting ID"
        return failed("notFound", f"{text} - perhaps the meeting is not yet running?")
    server = servers()[name]
    if call == "join":
        link = f"{server['url']}/{signed('join', given, server['secret'])}"
        return 302, "text/html", "", {"Location": link}
    answer = ask(server["url"], server["secret"], call, **given)
    if call == "create" and answer.findtext("returncode") == "SUCCESS":
        redis("HSET", "meetings", meeting, name)
        redis("SADD", f"meetings:{name}", meeting)
    if call == "end":
        redis("HDEL", "meetings", meeting)
        redis("SREM", f"meetings:{name}", meeting)
    return 200, XML, ET.tostring(answer, encoding="unicode"), {}


def main(words: list[str]) -> None:
    """Do what a command of the image does."""
    if words[:1] == ["rake"]:
        rake(words[1])
    elif words[:1] == ["puma"]:
        bind = urllib.parse.urlsplit(os.environ["BIND"])
        serve(api, bind.hostname or "127.0.0.1", bind.port or 3000)
    elif words[:1] == ["poller"]:
        poll(int(os.environ.get("POLL_INTERVAL", "60")))
    else:
        sys.exit(f"the double of Scalelite does not have this command: {' '.join(words)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Double of Scalelite, for the sandbox only: tasks of servers, the poller, the API of a pool."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ET

from .common import Answer, Request, ask, redis, serve, signed, sql, task

LENGTHS = {40: "sha1", 64: "sha256", 128: "sha512"}
XML = "text/xml; charset=utf-8"
GOOD = "<response><returncode>SUCCESS</returncode>{}</response>"
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


def sync(text: str) -> None:
    """Bring the servers to a list, cordoning those that are not in it."""
    wanted = json.loads(text)["servers"]
    for name, server in wanted.items():
        state = "enabled" if server["enabled"] else "cordoned"
        change(name, url=server["url"], secret=server["secret"], state=state)
    for name in set(servers()) - set(wanted):
        if redis("SMEMBERS", f"meetings:{name}"):
            change(name, state="cordoned")
        else:
            redis("SREM", "servers", name)
            redis("DEL", f"server:{name}")


def show() -> None:
    """List the servers for people."""
    for name, server in servers().items():
        online = "online" if server.get("online") == "true" else "offline"
        print(
            f"id: {name}\n\turl: {server['url']}\n\tsecret: {server['secret']}\n\t{server['state']}"
        )
        print(f"\tload: {server.get('load', 'unavailable')}\n\tload multiplier: 1.0\n\t{online}")


def yaml() -> None:
    """List the servers for `servers:sync`."""
    print("---\nservers:" + ("" if servers() else " {}"))
    for name, server in servers().items():
        print(f"  {name}:\n    url: {server['url']}\n    secret: {server['secret']}")
        print("    load_multiplier: 1.0")
        print(f"    tag: ''\n    enabled: {str(server['state'] == 'enabled').lower()}")


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
        sync(sys.stdin.read())
    elif name in ("servers:cordon", "servers:enable", "servers:disable"):
        state = {"cordon": "cordoned", "enable": "enabled", "disable": "disabled"}[
            name.split(":")[1]
        ]
        change(given[0], state=state)
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


def api(request: Request) -> Answer:
    """Answer one request."""
    path = urllib.parse.urlsplit(request.path)
    if path.path == "/health_check":
        try:
            sql("SELECT 1 FROM schema_migrations")
            redis("PING")
        except Exception as error:
            return 200, "text/plain", f"Health Check Failure: {error}", {}
        return 200, "text/plain", "success", {}
    call = path.path.removeprefix("/bigbluebutton/api").strip("/")
    if not call:
        return (
            200,
            XML,
            GOOD.format("<version>2.0</version>"),
            {},
        )
    query = path.query.split("&")
    given = dict(urllib.parse.parse_qsl(path.query))
    checksum = given.pop("checksum", "")
    text = "&".join(part for part in query if not part.startswith("checksum="))
    secret = os.environ["LOADBALANCER_SECRET"]
    algorithm = LENGTHS.get(len(checksum), "sha256")
    if hashlib.new(algorithm, f"{call}{text}{secret}".encode()).hexdigest() != checksum:
        return failed("checksumError", "You did not pass the checksum security check")
    return handed_on(call, given)


def handed_on(call: str, given: dict[str, str]) -> Answer:
    """Hand a call on to the server of its meeting."""
    if call == "getMeetings":
        return 200, XML, GOOD.format("<meetings/>"), {}
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
        return failed("notFound", "We could not find a meeting with that meeting ID")
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
        sys.exit(f"the double of Scalelite knows no {' '.join(words)}")


if __name__ == "__main__":
    main(sys.argv[1:])

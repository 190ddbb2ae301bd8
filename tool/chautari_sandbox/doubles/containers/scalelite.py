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

from .common import Answer, Request, ask, body_of, redis, serve, signed, sql, task

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
JSON = "application/json; charset=utf-8"
TAG = "meta_server-tag"


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
        multiplier, tag = float(server.get("load_multiplier") or 1), server.get("tag") or ""
        change(name, url=server["url"], secret=server["secret"])
        change(name, load_multiplier=multiplier, tag=tag)
        # A new server that is not to be enabled has no state, which counts as disabled.
        is_enabled = state_of(servers()[name]) == "enabled"
        if server.get("enabled", True) != is_enabled:
            change(name, state="cordoned" if is_enabled else "enabled")
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


def state_of(server: dict[str, str]) -> str:
    """Return the state of a server; one without any is disabled."""
    return server.get("state") or "disabled"


def show() -> None:
    """List the servers for people."""
    for name, server in servers().items():
        online = "online" if server.get("online") == "true" else "offline"
        print(f"id: {name}\n\turl: {server['url']}\n\tsecret: {server['secret']}")
        print(f"\t{state_of(server)}")
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
        print(f"    enabled: {str(state_of(server) == 'enabled').lower()}")


def rake(argument: str) -> None:
    """Do one task."""
    name, given = task(argument)
    if name == "db:migrate":
        sql("CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)")
    elif name == "servers":
        show()
    elif name == "status":
        for server, about in servers().items():
            online = "online" if about.get("online") == "true" else "offline"
            print(server, state_of(about), online, about.get("tag", ""))
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
                load = measured(answer, time.time()) * float(server.get("load_multiplier", 1))
            except Exception as error:
                print(f"{name}: {error}", flush=True)
                good, load = False, 0.0
            note(name, good, load)
        time.sleep(seconds if all(s.get("online") == "true" for s in servers().values()) else 5)


def measured(answer: ET.Element, now: float) -> int:
    """Return how many people a server carries; a new meeting counts as a minimum of them."""
    least = int(os.environ.get("LOAD_MIN_USER_COUNT", "15"))
    minutes = int(os.environ.get("LOAD_JOIN_BUFFER_TIME", "15"))
    total = 0
    for meeting in answer.findall("meetings/meeting"):
        numbers = ("participantCount", "moderatorCount", "createTime")
        people, moderators, created = (int(meeting.findtext(x) or 0) for x in numbers)
        if meeting.findtext("isBreakout") != "true":
            is_new = created // 1000 > now - 60 * minutes
            total += max(people + moderators, least) if is_new else people + moderators
    return total


def note(name: str, good: bool, load: float) -> None:
    """Write what the poller saw of a server; a cordoned one that is empty becomes disabled."""
    change(name, online=str(good).lower())
    state = state_of(servers()[name])
    if good and state == "cordoned" and not load:
        change(name, state="disabled")
    if good and state_of(servers()[name]) != "disabled":
        change(name, load=load)
    else:
        redis("HDEL", f"server:{name}", "load")


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


class NoServer(Exception):
    """No server may take a meeting; `key` is upstream's name of the reason."""

    def __init__(self, key: str, text: str) -> None:
        """Keep the key."""
        super().__init__(text)
        self.key = key


def available(tags_arg: str) -> str:
    """Return the server with the least load for the tags of a call, as upstream selects it."""
    loads = sorted(
        (float(server["load"]), name, server.get("tag") or "none")
        for name, server in servers().items()
        if state_of(server) == "enabled" and server.get("online") == "true" and "load" in server
    )
    if not loads:
        raise NoServer("internalError", "Could not find any available servers.")
    required = tags_arg.endswith("!") and tags_arg != "!"
    tags = tags_arg.removesuffix("!").split(";")
    found = [name for _, name, tag in loads if tag in tags]
    if not found and required:
        text = f"There is no available server with the required tag={tags_arg[:-1]}."
        raise NoServer("serverTagUnavailable", text)
    found = found or [name for _, name, tag in loads if tag == "none"]
    if not found:
        raise NoServer("internalError", "Could not find any available servers.")
    return found[0]


def default_parameters() -> dict[str, str]:
    """Return what `create` gets where the caller does not say it."""
    text = os.environ.get("DEFAULT_CREATE_PARAMS", "")
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name: value for name, _, value in pairs}


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
    if path.path in ("/scalelite/api/getServers", "/scalelite/api/updateServer"):
        return managed(path.path.rpartition("/")[2], path.query, request)
    call = path.path.removeprefix("/bigbluebutton/api/")
    if call not in CALLS:
        return failed("unsupportedRequest", "This request is not supported.")
    given = dict(urllib.parse.parse_qsl(path.query))
    given.pop("checksum", "")
    if not is_signed(call, path.query):
        return failed("checksumError", "You did not pass the checksum security check")
    return handed_on(call, given)


def is_signed(call: str, query: str) -> bool:
    """Return whether a call has the checksum of the pool's secret."""
    checksum = dict(urllib.parse.parse_qsl(query)).get("checksum", "")
    text = "&".join(part for part in query.split("&") if not part.startswith("checksum="))
    algorithm = LENGTHS.get(len(checksum))
    signed_text = f"{call}{text}{os.environ['LOADBALANCER_SECRET']}".encode()
    return algorithm is not None and hashlib.new(algorithm, signed_text).hexdigest() == checksum


def managed(call: str, query: str, request: Request) -> Answer:
    """Answer a call of the management API."""
    if not is_signed(call, query):
        return failed("checksumError", "You did not pass the checksum security check")
    if call == "getServers" and request.command == "GET":
        if not servers():
            return 404, JSON, json.dumps({"error": "No servers are configured"}), {}
        return 200, JSON, json.dumps([described(*item) for item in servers().items()]), {}
    if call != "updateServer" or request.command != "POST":
        return failed("unsupportedRequest", "This request is not supported.")
    if request.headers.get("Content-Type", "").partition(";")[0] != "application/json":
        return failed(
            "unsupportedContentType", "POST request Content-Type is missing or unsupported"
        )
    given = json.loads(body_of(request))
    name, state = given["id"], given["server"].get("state")
    if name not in servers():
        return 404, JSON, json.dumps({"error": f"Couldn't find server with id={name}"}), {}
    if state and state not in STATES:
        return 400, JSON, json.dumps({"error": f"Invalid state parameter: {state}"}), {}
    if state:
        change(name, state=STATES[state])
    return 200, JSON, json.dumps(described(name, servers()[name])), {}


def described(name: str, server: dict[str, str]) -> dict[str, object]:
    """Return a server as the management API shows it."""
    return {
        "id": name,
        "url": server["url"],
        "secret": server["secret"],
        "tag": server.get("tag", ""),
        "bbb_version": "",
        "state": state_of(server),
        "load": float(server["load"]) if "load" in server else "unavailable",
        "load_multiplier": server.get("load_multiplier", "1.0"),
        "online": "online" if server.get("online") == "true" else "offline",
    }


def handed_on(call: str, given: dict[str, str]) -> Answer:
    """Hand a call on to the server of its meeting."""
    if call == "getMeetings":
        return 200, XML, GOOD.format("<meetings/>"), {}
    if call == "getRecordings":
        return 200, XML, GOOD.format("<recordings/>" + NO_RECORDINGS), {}
    if call in RECORDINGS:
        return failed("notFound", "We could not find recordings")
    meeting = given.get("meetingID", "")
    name = redis("HGET", "meetings", meeting)
    if call == "create":
        defaults = default_parameters()
        tags = given.pop(TAG, "") or defaults.pop(TAG, "")
        given = defaults | given
        try:
            name = name or available(tags)
        except NoServer as error:
            return failed(error.key, str(error))
    if name is None:
        if call == "isMeetingRunning":
            return (
                200,
                XML,
                GOOD.format("<running>false</running>"),
                {},
            )
        text = "We could not find a meeting with that meeting ID"
        return failed("notFound", f"{text} - perhaps the meeting is not yet running?")
    server = servers()[name]
    if call in ("create", "join") and "load" in server:
        change(name, load=float(server["load"]) + float(server.get("load_multiplier", 1)))
    if call == "join":
        link = f"{server['url']}/{signed('join', given, server['secret'])}"
        return 302, "text/html", "", {"Location": link}
    if call == "create" and server.get("tag"):
        given[TAG] = server["tag"]
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

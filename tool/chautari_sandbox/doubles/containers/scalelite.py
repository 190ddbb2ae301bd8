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

from .common import (
    Answer,
    Request,
    call_meeting_server,
    call_with_checksum,
    read_body,
    run_redis_command,
    run_sql,
    serve_http,
    split_rake_task,
)

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


def all_servers() -> dict[str, dict[str, str]]:
    """Return all servers by name."""
    found = {}
    for name in sorted(run_redis_command("SMEMBERS", "servers")):
        flat = run_redis_command("HGETALL", f"server:{name}")
        found[name] = dict(zip(flat[::2], flat[1::2], strict=True))
    return found


def change_server(name: str, **values: object) -> None:
    """Set fields of a server; one that has an address may be new."""
    if name not in all_servers() and "url" not in values:
        sys.exit(f"ERROR: No server found with id: {name}")
    run_redis_command("SADD", "servers", name)
    for key, value in values.items():
        run_redis_command("HSET", f"server:{name}", key, value)


def sync_servers(text: str, mode: str) -> None:
    """Bring the servers to a list, cordoning those that are not in it."""
    wanted = json.loads(text)["servers"]
    if mode not in MODES:
        sys.exit(f"ERROR: Unknown sync mode '{mode}' (choose: {', '.join(MODES)})")
    for name, server in wanted.items():
        if reason := refusal_of_server_entry(name, server):
            sys.exit(f"ERROR: Server id={name} {reason}")
    for name, server in wanted.items():
        multiplier, tag = float(server.get("load_multiplier") or 1), server.get("tag") or ""
        change_server(name, url=server["url"], secret=server["secret"])
        change_server(name, load_multiplier=multiplier, tag=tag)
        # A new server that is not to be enabled has no state, which counts as disabled.
        is_enabled = state_of_server(all_servers()[name]) == "enabled"
        if server.get("enabled", True) != is_enabled:
            change_server(name, state="cordoned" if is_enabled else "enabled")
    if mode == "keep":
        return
    for name in set(all_servers()) - set(wanted):
        if run_redis_command("SMEMBERS", f"meetings:{name}"):
            change_server(name, state="cordoned")
        else:
            run_redis_command("SREM", "servers", name)
            run_redis_command("DEL", f"server:{name}")


def refusal_of_server_entry(name: str, server: dict[str, object]) -> str:
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


def state_of_server(server: dict[str, str]) -> str:
    """Return the state of a server; one without any is disabled."""
    return server.get("state") or "disabled"


def print_servers() -> None:
    """List the servers for people."""
    for name, server in all_servers().items():
        online = "online" if server.get("online") == "true" else "offline"
        print(f"id: {name}\n\turl: {server['url']}\n\tsecret: {server['secret']}")
        print(f"\t{state_of_server(server)}")
        print(f"\tload: {server.get('load', 'unavailable')}")
        print(f"\tload multiplier: {server.get('load_multiplier', '1.0')}\n\tbbb version: ")
        print(f"\ttag: {server.get('tag', '')}\n\t{online}")


def print_servers_as_yaml() -> None:
    """List the servers for `servers:sync`."""
    print("---\nservers:" + ("" if all_servers() else " {}"))
    for name, server in all_servers().items():
        print(f"  {name}:\n    url: {server['url']}\n    secret: {server['secret']}")
        print(f"    load_multiplier: {server.get('load_multiplier', '1.0')}")
        print(f"    tag: '{server.get('tag', '')}'")
        print(f"    enabled: {str(state_of_server(server) == 'enabled').lower()}")


def run_rake_task(argument: str) -> None:
    """Do one task."""
    name, given = split_rake_task(argument)
    if name == "db:migrate":
        run_sql("CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)")
    elif name == "servers":
        print_servers()
    elif name == "status":
        for server, about in all_servers().items():
            online = "online" if about.get("online") == "true" else "offline"
            print(server, state_of_server(about), online, about.get("tag", ""))
    elif name == "servers:yaml":
        print_servers_as_yaml()
    elif name == "servers:sync" and given[0] == "-":
        sync_servers(sys.stdin.read(), given[1] if len(given) > 1 else "cordon")
    elif name in ("servers:cordon", "servers:enable", "servers:disable"):
        change_server(given[0], state=STATES[name.partition(":")[2]])
        print("OK")
    elif name == "poll":
        poll_servers_forever(int(given[0]))
    else:
        sys.exit(f"rake aborted!\nDon't know how to build task '{name}'")


def poll_servers_forever(seconds: int) -> None:
    """Look at every server, again and again."""
    while True:
        for name, server in all_servers().items():
            try:
                answer = call_meeting_server(server["url"], server["secret"], "getMeetings")
                good = answer.findtext("returncode") == "SUCCESS"
                load = count_people_for_load(answer, time.time()) * float(
                    server.get("load_multiplier", 1)
                )
            except Exception as error:
                print(f"{name}: {error}", flush=True)
                good, load = False, 0.0
            record_poll_result(name, good, load)
        time.sleep(seconds if all(s.get("online") == "true" for s in all_servers().values()) else 5)


def count_people_for_load(answer: ET.Element, now: float) -> int:
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


def record_poll_result(name: str, is_online: bool, load: float) -> None:
    """Write what the poller saw of a server; a cordoned one that is empty becomes disabled."""
    change_server(name, online=str(is_online).lower())
    state = state_of_server(all_servers()[name])
    if is_online and state == "cordoned" and not load:
        change_server(name, state="disabled")
    if is_online and state_of_server(all_servers()[name]) != "disabled":
        change_server(name, load=load)
    else:
        run_redis_command("HDEL", f"server:{name}", "load")


def failure_answer(key: str, text: str) -> Answer:
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


def server_with_least_load(tags_arg: str) -> str:
    """Return the server with the least load for the tags of a call, as upstream selects it."""
    loads = sorted(
        (float(server["load"]), name, server.get("tag") or "none")
        for name, server in all_servers().items()
        if state_of_server(server) == "enabled"
        and server.get("online") == "true"
        and "load" in server
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


def default_create_parameters() -> dict[str, str]:
    """Return what `create` gets where the caller does not say it."""
    text = os.environ.get("DEFAULT_CREATE_PARAMS", "")
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name: value for name, _, value in pairs}


def health_answer() -> Answer:
    """Say what upstream's page of health says; its status is 200 in both cases."""
    try:
        run_sql("SELECT 1 FROM schema_migrations")
        run_redis_command("SET", "__health_check_set__", "true", "EX", "10")
    except Exception as error:
        return 200, "text/plain", f"Health Check Failure: {error}", {}
    return 200, "text/plain", "success", {}


def answer_request(request: Request) -> Answer:
    """Answer one request."""
    path = urllib.parse.urlsplit(request.path)
    host = request.headers.get("Host", "")
    if os.environ.get("URL_HOST") not in (None, "", host):
        return 403, "text/plain", f"Blocked hosts: {host}", {}
    if path.path in ("/", "/health_check"):
        return health_answer()
    if path.path.rstrip("/") == "/bigbluebutton/api":
        return 200, XML, GOOD.format("<version>2.0</version>"), {}
    if path.path in ("/scalelite/api/getServers", "/scalelite/api/updateServer"):
        return answer_management_call(path.path.rpartition("/")[2], path.query, request)
    call = path.path.removeprefix("/bigbluebutton/api/")
    if call not in CALLS:
        return failure_answer("unsupportedRequest", "This request is not supported.")
    given = dict(urllib.parse.parse_qsl(path.query))
    given.pop("checksum", "")
    if not is_signed(call, path.query):
        return failure_answer("checksumError", "You did not pass the checksum security check")
    return forward_call_to_server(call, given)


def is_signed(call: str, query: str) -> bool:
    """Return whether a call has the checksum of the pool's secret."""
    checksum = dict(urllib.parse.parse_qsl(query)).get("checksum", "")
    text = "&".join(part for part in query.split("&") if not part.startswith("checksum="))
    algorithm = LENGTHS.get(len(checksum))
    signed_text = f"{call}{text}{os.environ['LOADBALANCER_SECRET']}".encode()
    return algorithm is not None and hashlib.new(algorithm, signed_text).hexdigest() == checksum


def answer_management_call(call: str, query: str, request: Request) -> Answer:
    """Answer a call of the management API."""
    if not is_signed(call, query):
        return failure_answer("checksumError", "You did not pass the checksum security check")
    if call == "getServers" and request.command == "GET":
        if not all_servers():
            return 404, JSON, json.dumps({"error": "No servers are configured"}), {}
        return (
            200,
            JSON,
            json.dumps([server_as_object(*item) for item in all_servers().items()]),
            {},
        )
    if call != "updateServer" or request.command != "POST":
        return failure_answer("unsupportedRequest", "This request is not supported.")
    if request.headers.get("Content-Type", "").partition(";")[0] != "application/json":
        return failure_answer(
            "unsupportedContentType", "POST request Content-Type is missing or unsupported"
        )
    given = json.loads(read_body(request))
    name, state = given["id"], given["server"].get("state")
    if name not in all_servers():
        return 404, JSON, json.dumps({"error": f"Couldn't find server with id={name}"}), {}
    if state and state not in STATES:
        return 400, JSON, json.dumps({"error": f"Invalid state parameter: {state}"}), {}
    if state:
        change_server(name, state=STATES[state])
    return 200, JSON, json.dumps(server_as_object(name, all_servers()[name])), {}


def server_as_object(name: str, server: dict[str, str]) -> dict[str, object]:
    """Return a server as the management API shows it."""
    return {
        "id": name,
        "url": server["url"],
        "secret": server["secret"],
        "tag": server.get("tag", ""),
        "bbb_version": "",
        "state": state_of_server(server),
        "load": float(server["load"]) if "load" in server else "unavailable",
        "load_multiplier": server.get("load_multiplier", "1.0"),
        "online": "online" if server.get("online") == "true" else "offline",
    }


def forward_call_to_server(call: str, parameters: dict[str, str]) -> Answer:
    """Hand a call on to the server of its meeting."""
    if call == "getMeetings":
        return 200, XML, GOOD.format("<meetings/>"), {}
    if call == "getRecordings":
        return 200, XML, GOOD.format("<recordings/>" + NO_RECORDINGS), {}
    if call in RECORDINGS:
        return failure_answer("notFound", "We could not find recordings")
    meeting = parameters.get("meetingID", "")
    name = run_redis_command("HGET", "meetings", meeting)
    if call == "create":
        defaults = default_create_parameters()
        tags = parameters.pop(TAG, "") or defaults.pop(TAG, "")
        parameters = defaults | parameters
        try:
            name = name or server_with_least_load(tags)
        except NoServer as error:
            return failure_answer(error.key, str(error))
    if name is None:
        if call == "isMeetingRunning":
            return (
                200,
                XML,
                GOOD.format("<running>false</running>"),
                {},
            )
        text = "We could not find a meeting with that meeting ID"
        return failure_answer("notFound", f"{text} - perhaps the meeting is not yet running?")
    server = all_servers()[name]
    if call in ("create", "join") and "load" in server:
        change_server(name, load=float(server["load"]) + float(server.get("load_multiplier", 1)))
    if call == "join":
        link = f"{server['url']}/{call_with_checksum('join', parameters, server['secret'])}"
        return 302, "text/html", "", {"Location": link}
    if call == "create" and server.get("tag"):
        parameters[TAG] = server["tag"]
    answer = call_meeting_server(server["url"], server["secret"], call, **parameters)
    if call == "create" and answer.findtext("returncode") == "SUCCESS":
        run_redis_command("HSET", "meetings", meeting, name)
        run_redis_command("SADD", f"meetings:{name}", meeting)
    if call == "end":
        run_redis_command("HDEL", "meetings", meeting)
        run_redis_command("SREM", f"meetings:{name}", meeting)
    return 200, XML, ET.tostring(answer, encoding="unicode"), {}


def main(words: list[str]) -> None:
    """Do what a command of the image does."""
    if words[:1] == ["rake"]:
        run_rake_task(words[1])
    elif words[:1] == ["puma"]:
        bind = urllib.parse.urlsplit(os.environ["BIND"])
        serve_http(answer_request, bind.hostname or "127.0.0.1", bind.port or 3000)
    elif words[:1] == ["poller"]:
        poll_servers_forever(int(os.environ.get("POLL_INTERVAL", "60")))
    else:
        sys.exit(f"the double of Scalelite does not have this command: {' '.join(words)}")


if __name__ == "__main__":
    main(sys.argv[1:])

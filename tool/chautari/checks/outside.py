"""pytest plugin for checks from outside, run on the control machine against the public names."""

from __future__ import annotations

import errno
import functools
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypedDict

import dns.resolver
import pytest
import requests

from chautari.checks.record import CheckRecorder, register_markers
from chautari.node import run_journal

TIMEOUT_SECONDS = 20.0
MAX_ANSWER = 16 << 20  # bytes; the checks read pages, and files that they wrote themselves
NO_IPV6 = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class NodeContext(TypedDict):
    """The roles of a node, its host variables, and the secrets that are text."""

    roles: list[str]
    settings: Mapping[str, Any]
    secrets: dict[str, str]


class CheckContext(TypedDict):
    """What the deploy passes to the checks.

    `masked` are the secrets that no result may show. `resolver` is the DNS server to use, empty for
    this machine's own. `mail_api` is the URL of the sandbox's mail sink.
    """

    nodes: dict[str, NodeContext]
    masked: list[str]
    resolver: str | None
    ca_file: str | None
    mail_api: str | None


def system_ca_bundle() -> str:
    """Return the CA file of this machine, or the one that `requests` contains."""
    found = ssl.get_default_verify_paths()
    usual = (found.cafile, found.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt")
    there = (path for path in usual if path and Path(path).is_file())
    return next(there, str(requests.utils.DEFAULT_CA_BUNDLE_PATH))


class _SizeLimitedAdapter(requests.adapters.HTTPAdapter):
    """Reads at most MAX_ANSWER bytes of each answer: a server may be faulty or hostile."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the answer; reading its body raises when it is too large."""
        resp.stream = functools.partial(_stream_within_limit, resp.stream, resp.close)
        return super().build_response(req, resp)


def _stream_within_limit(
    stream: Callable[..., Iterator[bytes]], close: Callable[[], None], *args: Any, **kwargs: Any
) -> Iterator[bytes]:
    size = 0
    for part in stream(*args, **kwargs):
        size += len(part)
        if size > MAX_ANSWER:
            close()
            raise requests.RequestException(f"the response is larger than {MAX_ANSWER >> 20} MB")
        yield part


class Web(requests.Session):
    """A session that verifies certificates against the region's CA, with limits.

    A request has a timeout, and an answer a maximum size.
    """

    def __init__(self, ca_file: str | None) -> None:
        """Verify with `ca_file`, or with the system's authorities."""
        super().__init__()
        # A proxy or netrc of this machine's user must not change the answer.
        self.trust_env = False
        self.verify = ca_file or system_ca_bundle()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _SizeLimitedAdapter())

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request with a timeout."""
        kwargs.setdefault("timeout", TIMEOUT_SECONDS)
        return super().request(*args, **kwargs)


# A mail as the sandbox's mail sink lists it; `received` is a date of RFC 5322.
Mail = TypedDict(
    "Mail",
    {
        "from": str, "to": list[str], "subject": str, "received": str, "headers": dict[str, str],
        "body": str, "html": str,
    },
)  # fmt: skip


class NewMailInSink:
    """The mail that arrived at the sandbox's mail sink since this object was created."""

    def __init__(self, api: str) -> None:
        """Read the sink at the URL `api`, and ignore the mail that is there already."""
        self.api = api
        self.old = {_identity_of_mail(message) for message in self._fetch_mails({})}

    def wait_for_mail(self, to: str, subject_contains: str = "", seconds: int = 60) -> Mail:
        """Wait for a new mail to `to` whose subject contains the text, and return it."""
        deadline = time.monotonic() + seconds
        while True:
            for message in self._fetch_mails({"to": to}):
                if (
                    subject_contains in message["subject"]
                    and _identity_of_mail(message) not in self.old
                ):
                    return message
            if time.monotonic() > deadline:
                raise AssertionError(f"no mail to {to} arrived within {seconds} seconds")
            time.sleep(1)

    def recent_mails(self, to: str, minutes: int) -> list[Mail]:
        """Return the mails to `to` of the last `minutes`, oldest first."""
        earliest = time.time() - 60 * minutes
        mails = self._fetch_mails({"to": to})
        times = [parsedate_to_datetime(mail["received"]).timestamp() for mail in mails]
        pairs = sorted(zip(times, range(len(mails)), strict=True))
        return [mails[index] for moment, index in pairs if moment >= earliest]

    def _fetch_mails(self, query: dict[str, str]) -> list[Mail]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{self.api}/messages", params=query, timeout=10)
            answer.raise_for_status()
            found: list[Mail] = answer.json()
            return found


def _identity_of_mail(message: Mail) -> tuple[str, str]:
    return message["received"], message["headers"].get("message-id", message["subject"])


@functools.cache
def _read_check_context(config: pytest.Config) -> CheckContext:
    """Read the settings of this session from the file descriptor in `CHAUTARI_SETTINGS`."""
    with os.fdopen(int(os.environ["CHAUTARI_SETTINGS"]), "rb") as stream:
        stream.seek(0)
        found: CheckContext = json.load(stream)
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Record every check, and resolve names with the region's resolver."""
    register_markers(config)
    check_context = _read_check_context(config)
    recorder = CheckRecorder(
        "outside",
        _node_of_test,
        lambda _: [],
        run_journal.secret_spellings(check_context["masked"]),
    )
    config.pluginmanager.register(recorder)
    if check_context["resolver"]:
        dns.resolver.override_system_resolver(_make_dns_resolver(check_context))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check once for every node that has its role."""
    mark = metafunc.definition.get_closest_marker("role")
    if mark is None:
        return
    if "node" not in metafunc.fixturenames:
        metafunc.fixturenames.append("node")
    nodes = _read_check_context(metafunc.config)["nodes"]
    nodes_running = [name for name, node in nodes.items() if mark.args[0] in node["roles"]]
    metafunc.parametrize("node", nodes_running, scope="session")


def _node_of_test(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("node", "")) if callspec else ""


def _make_dns_resolver(check_context: CheckContext) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=not check_context["resolver"])
    if check_context["resolver"]:
        resolver.nameservers = [check_context["resolver"]]
    resolver.lifetime = 10
    return resolver


@pytest.fixture(scope="session")
def check_context(request: pytest.FixtureRequest) -> CheckContext:
    """Return the settings of this session."""
    return _read_check_context(request.config)


@pytest.fixture(scope="session")
def settings(check_context: CheckContext, node: str) -> Mapping[str, Any]:
    """Return the settings of the services on the node under check, without secrets."""
    return check_context["nodes"][node]["settings"]


@pytest.fixture(scope="session")
def secret(check_context: CheckContext, node: str) -> Callable[[str], str]:
    """Return a function that returns a secret of the node by its name."""
    return lambda name: check_context["nodes"][node]["secrets"][name]


@pytest.fixture
def web(check_context: CheckContext) -> Web:
    """Return a new web session, without cookies of other checks."""
    return Web(check_context["ca_file"])


@pytest.fixture(scope="session")
def ca_file(check_context: CheckContext) -> str:
    """Return the CA bundle that verifies the region's certificates."""
    return check_context["ca_file"] or system_ca_bundle()


@pytest.fixture(scope="session")
def resolve(check_context: CheckContext) -> Callable[[str], set[str]]:
    """Return a function that resolves a name to its A and AAAA addresses."""
    resolver = _make_dns_resolver(check_context)

    def look_up(name: str) -> set[str]:
        found: set[str] = set()
        for kind in ("A", "AAAA"):
            try:
                found |= {record.to_text() for record in resolver.resolve(name, kind)}
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
        return found

    return look_up


@pytest.fixture(scope="session")
def resolver_of_reachable_addresses(
    resolve: Callable[[str], set[str]],
) -> Callable[[str], list[str]]:
    """Return a function that resolves a name to the addresses that this machine has a route to.

    Many internet connections have no IPv6. That is not a fault of the node.
    """

    def look_up(name: str) -> list[str]:
        found = resolve(name)
        tried = sorted(filter(_is_ipv4_or_has_ipv6_route, found))
        answers = sorted(found) or "no address"
        assert tried, f"this machine has no route to {name} (DNS returned {answers})"
        return tried

    return look_up


def _is_ipv4_or_has_ipv6_route(address: str) -> bool:
    if ":" not in address:
        return True
    try:
        # Connecting a datagram socket sends nothing. It only looks up the route.
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
    except OSError as error:
        return error.errno not in NO_IPV6
    return True


@pytest.fixture
def mailbox(check_context: CheckContext) -> NewMailInSink:
    """Return the sandbox's mail sink; skip the check without a sandbox."""
    if not check_context["mail_api"]:
        pytest.skip(
            "this check reads the mail that a service sent, which is only possible in a sandbox"
        )
    return NewMailInSink(check_context["mail_api"])

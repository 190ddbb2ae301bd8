"""Files that a stranger, a broken editor or an attacker could hand to the command.

Each number stands for one case, the same on every machine: a valid file with one thing wrong.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage
from region_samples import KEY

REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
country: CO
languages: [es, en]
bandwidth: low
operators: {ana: KEY ana@laptop}
nodes:
  bog1: {address: 203.0.113.10, os: debian-12, user: debian, port: 2222, services: [nextcloud]}
  med1: {address: 203.0.113.11, address6: '2001:db8::11', services: [jitsi, polls]}
  bbb1: {address: 203.0.113.12, os: ubuntu-22.04, services: [bigbluebutton]}
  bbb2: {address: 203.0.113.13, os: ubuntu-22.04}
services:
  nextcloud: {host: cloud, quota: 5 GB, apps: [calendar, deck]}
  jitsi: {host: meet, members: [ana]}
  polls: {host: polls}
  bigbluebutton: {host: rooms, recordings: true}
mail: {relay: smtp.example.org, port: 465, user: region, from: cloud@andes.example.org}
"""
LOCK = f"""\
framadate:
  1.1.19:
    url: https://example.org/framadate-1.1.19.zip
    sha256: {"ab" * 32}
nextcloud:
  34.0.9:
    url: https://example.org/nextcloud-34.0.9.tar.bz2
    sha256: {"cd" * 32}
"""
SECRETS = {"recipients": [KEY], "secrets": {"mail_relay_password": "some-long-password"}}
# Of five cases, three are about the region.
FILES = ("region.yml", "region.yml", "region.yml", "artifacts.lock", "secrets.age")


@dataclass(frozen=True)
class Case:
    """One file to try: its name, its content, and what is wrong with it."""

    file: str
    label: str
    content: bytes


def payloads(canary: Path) -> list[str]:
    """Return values that a careless program would run, obey, or choke on.

    `canary` is a file that appears if one of them is run.
    """
    touch = f"touch {canary}"
    return [
        f"$({touch})", f"`{touch}`", f"; {touch} #", f"| {touch}", f"&& {touch}", f"\n{touch}\n",
        f"'; {touch}; '", f'"; {touch}; "', f"-oProxyCommand={touch}", f"--rsh={touch}",
        f"{{{{ lookup('pipe', '{touch}') }}}}", f"{{% for x in ().__class__.__base__ %}}{touch}",
        f"!!python/object/apply:os.system ['{touch}']", f"2001:db8::1%$({touch})",
        f"203.0.113.10\n{touch}", f"%({touch})s", "../../../../etc/passwd", "/dev/zero", "~root",
        "\x1b]0;title\x07", "\x1b[2J\x1b[31mred", "\x9b31m", "a\x00b", "a\rb", "a\x7f", "\x85",
        "\u202egnp.exe", "\u2066hidden\u2069", "\u200b", "\ufeff", "\ufffe", "\U000e0041",
        "next\u0441loud.example.org", "xn--nxtcloud-zcd.example.org", "\u0660\u0661", "a" * 7000,
        "9" * 4301, "-" + "9" * 4301, "1e400", "NaN", ".inf", "-.Inf", "0x7fffffffffffffff", "0o17",
        "12:30:45", "2026-13-45", "\U0001f9d1\u200d\U0001f33e", "=cmd|' /C calc'!A0",
    ]  # fmt: skip


def broken_text(text: str, choose: random.Random, canary: Path) -> tuple[str, bytes]:
    """Return what is wrong and the file: `text` with one value, or its form, spoilt."""
    ways: list[Callable[[str, random.Random, Path], tuple[str, bytes]]] = [
        _replace_value, _replace_value, _replace_value, _replace_value, _replace_key, _change_type,
        _change_type, _spoil_bytes, _spoil_structure,
    ]  # fmt: skip
    return choose.choice(ways)(text, choose, canary)


def _replace_value(text: str, choose: random.Random, canary: Path) -> tuple[str, bytes]:
    """Replace one value, in double quotes where every character can be written, or as it is."""
    lines = text.splitlines()
    number = choose.choice([n for n, line in enumerate(lines) if ": " in line])
    payload = choose.choice(payloads(canary))
    written = json.dumps(payload) if choose.random() < 0.7 else payload
    # The last value of a flow mapping keeps its brace.
    head, _, tail = lines[number].rpartition(": ")
    lines[number] = f"{head}: {written}{'}' if tail.endswith('}') else ''}"
    return f"value {payload[:40]!r}", _encode(lines)


def _replace_key(text: str, choose: random.Random, canary: Path) -> tuple[str, bytes]:
    lines = text.splitlines()
    number = choose.choice([n for n, line in enumerate(lines) if ":" in line])
    payload = choose.choice(payloads(canary))
    blanks = len(lines[number]) - len(lines[number].lstrip())
    _, _, rest = lines[number].partition(":")
    lines[number] = f"{' ' * blanks}{json.dumps(payload)}:{rest}"
    return f"key {payload[:40]!r}", _encode(lines)


def _change_type(text: str, choose: random.Random, canary: Path) -> tuple[str, bytes]:
    lines = text.splitlines()
    number = choose.choice([n for n, line in enumerate(lines) if ": " in line])
    wrong = choose.choice(
        ["[]", "{}", "[[[]]]", "{a: {b: {c: d}}}", "null", "true", "-1", "0", "3.7", "''",
         "[null]", "9" * 4301,
         f"[{', '.join('x' for _ in range(400))}]", "{'': ''}", "[1, [2, [3]]]", "1e999"]
    )  # fmt: skip
    line = lines[number]
    head = line.partition(": ")[0] if choose.random() < 0.5 else line.rpartition(": ")[0]
    closes = "}" if head.count("{") > head.count("}") else ""
    lines[number] = f"{head}: {wrong}{closes}"
    return f"type {wrong[:40]}", _encode(lines)


def _spoil_bytes(text: str, choose: random.Random, canary: Path) -> tuple[str, bytes]:
    raw = text.encode()
    place = choose.randrange(len(raw))
    ways = {
        "invalid UTF-8": raw[:place] + choose.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])
        + raw[place:],
        "a NUL byte": raw[:place] + b"\0" + raw[place:],
        "a byte-order mark": b"\xef\xbb\xbf" + raw,
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
        "Latin-1": text.replace("andes", "ánd\xe9s").encode("latin-1"),
        "CRLF": raw.replace(b"\n", b"\r\n"),
        "CR": raw.replace(b"\n", b"\r"),
        "cut": raw[:place],
        "random bytes": choose.randbytes(3000),
        "nothing": b"",
        "a line without end": raw + b"x: " + b"y" * 900_000,
        "a huge file": raw + b"# " + b"z" * 2_000_000,
        "control characters": raw[:place] + b"\x1b]0;x\x07" + raw[place:],
        "a gzip file": b"\x1f\x8b\x08\0" + choose.randbytes(200),
    }  # fmt: skip
    way = choose.choice(sorted(ways))
    return way, ways[way]


def _spoil_structure(text: str, choose: random.Random, canary: Path) -> tuple[str, bytes]:
    bomb = "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
    )
    touch = f"touch {canary}"
    ways = {
        "an anchor bomb": f"a: &a [x]\n{bomb}{text}",
        "a merge key": f"base: &base {{port: 1}}\n<<: *base\n{text}",
        "an alias": text.replace("CO", "*anchor"),
        "a Python tag": text.replace("CO", f"!!python/object/apply:os.system ['{touch}']"),
        "a vault tag": text.replace("CO", "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162"),
        "an unsafe tag": text.replace("CO", f'!unsafe \'{{{{ lookup("pipe", "{touch}") }}}}\''),
        "a binary tag": text.replace("CO", "!!binary aGVsbG8="),
        "a set": f"{text}extra: !!set {{a, b}}\n",
        "a duplicate key": f"{text}{choose.choice(text.splitlines())}\n",
        "two documents": f"{text}---\n{text}",
        "an end of document": f"{text}...\n{touch}\n",
        "a directive": f"%YAML 9.9\n---\n{text}",
        "deep lists": "[" * 50_000,
        "deep mappings": "{a: " * 20_000,
        "deep blocks": "\n".join(" " * n + f"k{n}:" for n in range(400)),
        "many keys": text + "".join(f"k{n}: {n}\n" for n in range(6_000)),
        "tabs": text.replace("  ", "\t"),
        "a conflict": f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n",
        "no-break spaces": text.replace("  ", "\u00a0\u00a0"),
        "a scalar": choose.choice(payloads(canary)),
        "a list": "\n".join(f"- {line}" for line in text.splitlines() if ": " in line),
        "a complex key": f"? [a, b]\n: c\n{text}",
        "a multi-line key": f"? |\n  {touch}\n: c\n{text}",
        "a block of text": text.replace("CO", f"|\n  {touch}\n  \x1b[31m"),
    }
    way = choose.choice(sorted(ways))
    return way, ways[way].encode("utf-8", "surrogatepass")


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def broken_secrets(choose: random.Random, canary: Path, key: str) -> tuple[str, bytes]:
    """Return what is wrong, and an age file whose form or content is spoilt."""
    whole = _seal(json.dumps(SECRETS).encode(), key)
    place = choose.randrange(len(whole))
    hostile = json.dumps(choose.choice(payloads(canary)))
    bodies = {
        "no JSON": b"x", "nothing in it": b"", "a list": b"[]", "null": b"null", "a number": b"7",
        "deep lists": b"[" * 50_000, "deep mappings": b'{"a":' * 20_000, "NaN": b"NaN",
        "a huge number": b'{"recipients": [], "secrets": {"a": ' + b"9" * 5_000 + b"}}",
        "secrets of a wrong type": b'{"recipients": [], "secrets": []}',
        "recipients of a wrong type": b'{"recipients": {"a": 1}, "secrets": {}}',
        "a value of a wrong type": b'{"recipients": [], "secrets": {"mail_relay_password": {}}}',
        "a hostile value": f'{{"recipients": [], "secrets": {{"mail_relay_password": {hostile}}}}}'
        .encode("utf-8", "surrogatepass"),
        "a hostile name": f'{{"recipients": [], "secrets": {{{hostile}: "x"}}}}'
        .encode("utf-8", "surrogatepass"),
        "a hostile recipient": f'{{"recipients": [{hostile}], "secrets": {{}}}}'
        .encode("utf-8", "surrogatepass"),
        "a hostile field": f'{{"recipients": [], "secrets": {{}}, {hostile}: 1}}'
        .encode("utf-8", "surrogatepass"),
        "invalid UTF-8": b'{"recipients": [], "secrets": {"a": "\xff"}}',
        "a surrogate": b'{"recipients": [], "secrets": {"mail_relay_password": "\\ud800"}}',
        "a duplicate key": b'{"recipients": [], "secrets": {}, "secrets": 7}',
        "a cut object": json.dumps(SECRETS).encode()[:-9],
        "megabytes": json.dumps({"recipients": [], "secrets": {"a": "x" * 3_000_000}}).encode(),
        "a byte-order mark": b"\xef\xbb\xbf" + json.dumps(SECRETS).encode(),
    }  # fmt: skip
    forms = {
        "cut": whole[:place], "nothing": b"", "one other bit": _flip(whole, place),
        "random bytes": choose.randbytes(900), "no header": whole[30:],
        "only a header": b"age-encryption.org/v1\n", "another version": whole.replace(b"v1", b"v9"),
        "armour": b"-----BEGIN AGE ENCRYPTED FILE-----\n!!!\n-----END AGE ENCRYPTED FILE-----\n",
        "many stanzas": b"age-encryption.org/v1\n" + b"-> x y\nAAAA\n" * 30_000,
        "a line without end": b"age-encryption.org/v1\n-> " + b"x" * 900_000,
        "CRLF": whole.replace(b"\n", b"\r\n"),
        "a byte-order mark before it": b"\xef\xbb\xbf" + whole,
        "more than a secrets file": b"age-encryption.org/v1\n" + b"\0" * 20_000_000,
        "another one's key": _seal(json.dumps(SECRETS).encode(), ""),
    }  # fmt: skip
    if choose.random() < 0.6:
        way = choose.choice(sorted(bodies))
        return f"content: {way}", _seal(bodies[way], key)
    way = choose.choice(sorted(forms))
    return f"form: {way}", forms[way]


def _flip(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :]


def _seal(body: bytes, key: str) -> bytes:
    """Encrypt to a public SSH key, or to a new key that is then lost."""
    other = pyrage.x25519.Identity.generate().to_public()
    return pyrage.encrypt(body, [pyrage.ssh.Recipient.from_str(key) if key else other])


def region(key: str) -> str:
    """Return a valid region whose operator has this SSH key."""
    return REGION.replace("KEY", key)


def case(number: int, canary: Path, key: str) -> Case:
    """Return the case of this number; in the first ones, nothing is wrong.

    `key` is the public SSH key of the region's operator, to which files of secrets are encrypted.
    """
    choose = random.Random(number)
    file = FILES[number % len(FILES)]
    if number < len(FILES):
        valid = {
            "region.yml": region(key).encode(), "artifacts.lock": LOCK.encode(),
            "secrets.age": _seal(json.dumps(SECRETS).encode(), key),
        }  # fmt: skip
        label, content = "valid", valid[file]
    elif file == "secrets.age":
        label, content = broken_secrets(choose, canary, key)
    else:
        text = region(key) if file == "region.yml" else LOCK
        label, content = broken_text(text, choose, canary)
    return Case(file, label, content)

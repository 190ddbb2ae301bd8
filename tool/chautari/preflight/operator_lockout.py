"""Whether a machine's own settings of sshd let the region's operators log in with their keys."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from chautari.report.model import Refusal

OPERATOR_GROUP = "chautari-operators"  # of the role base
# Of one account; names without * and ? are not counted.
MAX_PATTERNS = 50
MAX_NAMES = 100
MAX_LENGTH = 256  # of a pattern or a name
MAX_LINES = 1000  # of one machine; a real one has some ten for each operator
_FUNCTIONS = Path(__file__).with_name("operator_lockout.sh").read_text()
_KEYS_FILE = ".ssh/authorized_keys"

# An account, a keyword of sshd, and one of its values; `groups` are those of the account.
Access = tuple[str, str, str]


def ssh_access_script(operators: Sequence[str]) -> str:
    """Return commands that report what sshd applies to the operators."""
    if not operators:
        return ""
    call = f'report_access "$1" {shlex.join(operators)}\n'
    return (
        "address=${SSH_CONNECTION%% *}\n$root sh -s \"${address:-127.0.0.1}\" <<'CHAUTARI'\n"
        f"{_FUNCTIONS}\n{call}CHAUTARI\n"
    )


def parse_ssh_access(value: str) -> Access:
    """Return the parts of a line that the script printed."""
    account, _, rest = value.partition(" ")
    keyword, _, found = rest.partition(" ")
    return account, keyword, found.strip()


def locked_out_operator_refusals(access: Sequence[Access]) -> Iterator[Refusal]:
    """Yield a refusal for each operator whom the machine keeps out, with the setting."""
    for account in dict.fromkeys(name for name, _, _ in access):
        settings: dict[str, list[str]] = {}
        for name, keyword, value in access:
            if name == account:
                settings.setdefault(keyword, []).append(value)
        if found := _setting_that_locks_out_account(account, settings):
            yield Refusal("operator_kept_out", {"account": account, "setting": found})


def _setting_that_locks_out_account(account: str, settings: dict[str, list[str]]) -> str:
    """Return the setting that keeps an account out; empty when none does."""
    names = {
        "users": [account],
        "groups": [*_values_of_sshd_keyword(settings, "groups"), OPERATOR_GROUP],
    }
    for kind, own in names.items():
        denied = [
            item for item in _values_of_sshd_keyword(settings, f"deny{kind}") if "@" not in item
        ]
        if _pattern_list_matches_one(denied, own):
            return f"Deny{kind.title()} {' '.join(denied)}"
        allowed = _values_of_sshd_keyword(settings, f"allow{kind}")
        # Where a pattern also names a host, the operator may use that one.
        patterns = [item.partition("@")[0] for item in allowed]
        if allowed and not _pattern_list_matches_one(patterns, own):
            return f"Allow{kind.title()} {' '.join(allowed)}"
    if settings.get("pubkeyauthentication") == ["no"]:
        return "PubkeyAuthentication no"
    files = _values_of_sshd_keyword(settings, "authorizedkeysfile")
    if files and not any(file.endswith(_KEYS_FILE) for file in files):
        return f"AuthorizedKeysFile {' '.join(files)}"
    methods = _values_of_sshd_keyword(settings, "authenticationmethods")
    if methods and not {"any", "publickey"} & set(methods):
        return f"AuthenticationMethods {' '.join(methods)}"
    return ""


def _values_of_sshd_keyword(settings: dict[str, list[str]], keyword: str) -> list[str]:
    return [word for value in settings.get(keyword, ()) for word in value.split()]


def _pattern_list_matches_one(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether a list of sshd's patterns matches a name: `*`, `?`, and `!` for exceptions.

    A machine sends both lists, so their product is limited.
    """
    excepted = [item[1:] for item in patterns if item.startswith("!")]
    others = [item for item in patterns if not item.startswith("!")]
    left = set(names) - _names_matching_sshd_patterns(excepted, names)
    return bool(left & _names_matching_sshd_patterns(others, names))


def _names_matching_sshd_patterns(patterns: Sequence[str], names: Sequence[str]) -> set[str]:
    found = set(patterns) & set(names)
    wild = [item for item in patterns if len(item) <= MAX_LENGTH and set(item) & set("*?")]
    # fnmatch's patterns have sets in brackets in addition to sshd's signs.
    globs = [item.replace("[", "[[]") for item in wild[:MAX_PATTERNS]]
    short = [name for name in names if len(name) <= MAX_LENGTH][:MAX_NAMES]
    return found | {name for name in short if any(fnmatchcase(name, glob) for glob in globs)}

"""Texts about peers: why a descriptor was refused, and the state of each peer.

`messages` renders them, as all texts of codes. What a service reports of a peer has its texts in
the service's own package.
"""

from __future__ import annotations

from chautari.language import Text
from chautari.report.message_templates import Template

_ASK_THEM: Text = (
    "ask the other group to deploy again; if the error happens again, ask them by telephone "
    "what they published"
)
_TRY_LATER: Text = "check the address, then try again later or ask the other group by telephone"
_DO_NOT_TRUST: Text = (
    "do not trust this descriptor; call the other group on a number that you already know"
)
_PIN_AGAIN: Text = (
    "if the other group confirms a new key in a call, run: deploy federation leave, then deploy "
    "federation join"
)

# Each code has what happened, and what to do.
PEER_REFUSALS: dict[str, tuple[Template, Template]] = {
    "name_unresolved": ("no DNS address was found for {host}", _TRY_LATER),
    "address_not_public": (
        "{host} resolves to {address}, which is not a public address",
        "ask the other group to correct their DNS records; a connection to this address could "
        "reach a machine in your own network",
    ),
    "no_answer": ("{host} did not send a valid HTTPS response ({detail})", _TRY_LATER),
    "too_slow": ("{host} did not send its descriptor within {seconds} seconds", _TRY_LATER),
    "http_status": ("{host} answered with status {status} for {path}", _TRY_LATER),
    "redirected": (
        "{host} redirects to another address, and a descriptor must not be redirected",
        "ask the other group for the direct address of the descriptor",
    ),
    "compressed": ("{host} sent a compressed answer, although none was requested", _ASK_THEM),
    "certificate_invalid": (
        "the certificate of {host} is not valid: {detail}",
        "ask the other group to renew the certificate; also check the clock of this machine: "
        "date -u",
    ),
    "too_large": ("the answer is larger than {limit} kB", _ASK_THEM),
    "not_utf8": ("the descriptor is not valid UTF-8 at byte {position}", _ASK_THEM),
    "not_json": ("the descriptor is not valid JSON: {detail}", _ASK_THEM),
    "duplicate_key": ("the descriptor contains the key {key} twice", _ASK_THEM),
    "nested_too_deep": ("the descriptor is nested deeper than {limit} levels", _ASK_THEM),
    "number_out_of_range": (
        "the descriptor contains {number}, which is not a whole number or has too many digits",
        _ASK_THEM,
    ),
    "hidden_character": (
        "{path} contains {character}, a character that can hide or change the text that a "
        "person sees",
        _DO_NOT_TRUST,
    ),
    "template_mark": (
        "{path} contains template syntax, such as two braces, which could run a command",
        _DO_NOT_TRUST,
    ),
    "field_invalid": ("{path} is not valid: {detail}", _ASK_THEM),
    "signature_unreadable": ("the signature is incomplete or not from ssh-keygen", _ASK_THEM),
    "signature_for_other_purpose": (
        "the signature was not made for the purpose {namespace}",
        _DO_NOT_TRUST,
    ),
    "signature_wrong": (
        "the signature does not match the descriptor",
        "try again in a minute: the region may have just published a new descriptor. If the error "
        "happens again, do not trust the descriptor, and call the other group",
    ),
    "signed_by_other_key": (
        "the descriptor is not signed with the pinned key",
        _PIN_AGAIN,
    ),
    "names_other_key": ("the descriptor is not signed with the key that it names", _ASK_THEM),
    "other_domain": (
        "the descriptor at {host} belongs to the domain {domain}",
        "use the address that the other group sent; a region publishes only at its own domain",
    ),
    "other_region": (
        "the descriptor belongs to the region {region} ({domain}), not to the pinned one",
        _PIN_AGAIN,
    ),
    "issued_in_future": (
        "the descriptor was issued at {issued}, but the clock of this machine shows {now}",
        "check the clock of this machine with `date -u`, and ask the other group to check theirs",
    ),
    "lifetime_invalid": (
        "the validity period of the descriptor ({issued} to {expires}) is empty or longer than "
        "100 days",
        _ASK_THEM,
    ),
    "expired": ("the descriptor expired at {expires:time}", _ASK_THEM),
    "older_serial": (
        "the descriptor has the serial {serial}, which is lower than the last known serial {last}",
        "ask the other group by telephone whether they published this descriptor. If they did, "
        "their node's clock may have been wrong: ask them to deploy again. If they did not, do "
        "not trust the descriptor",
    ),
    "serial_reused": (
        "the descriptor differs from the pinned one but has the same serial {serial}",
        _DO_NOT_TRUST,
    ),
    "own_domain": (
        "{domain} is the domain of your own region",
        "write the address that the other group sent",
    ),
    "already_pinned": (
        "{domain} is already pinned as {peer}",
        "to see its state, run: deploy federation status",
    ),
    "pinned_with_other_key": (
        "{domain} is pinned as {peer} with another key",
        _PIN_AGAIN,
    ),
    "letter_undecryptable": (
        "the letter cannot be decrypted with the key of this region",
        "the other group may have pinned an older key of your region; ask them to run `deploy "
        "federation leave` and `deploy federation join`, and then to deploy",
    ),
    "letter_invalid": ("the letter has an invalid format: {problem}", _ASK_THEM),
    "letter_field_invalid": ("in the letter, {path} is not valid: {detail}", _ASK_THEM),
    "letter_for_other": (
        "the letter is not for this region: it is from {sender} to {recipient}, or it names a "
        "different key",
        _DO_NOT_TRUST,
    ),
    "letter_not_signed": (
        "the letter does not match its checksum in the signed descriptor",
        "try again in a minute: the region may have deployed just now. If the error happens "
        "again, do not trust the letter, and call the other group",
    ),
    "lookalike_domain": (
        "{domain} looks like {known}, but is a different name",
        _DO_NOT_TRUST,
    ),
}

# How a pinned descriptor is, and what to do.
PEER_STATES: dict[str, tuple[Template, Template]] = {
    "current": ("serial {serial}, until {expires:time}", ""),
    "pending": (
        "{domain} does not list your region as a peer yet",
        "ask the group of {peer} to accept your region and to deploy",
    ),
    "expired": (
        "the last descriptor was valid until {expires:time}",
        "{fix:or run: deploy federation status {region}}",
    ),
    "unreachable": ("no descriptor was received: {reason}", "{fix}"),
    "refused": ("a newer descriptor was refused: {reason}", "{fix}"),
    "not_named": (
        "{peer} is pinned, but region.yml does not list it",
        "add {peer} to federation.peers in region.yml and deploy, or run: deploy federation leave",
    ),
    "not_pinned": (
        "region.yml lists {peer}, but it is not pinned",
        "run: deploy federation join {region} URL",
    ),
}

# What is known of a service and a peer without the service's own code, and what to do.
PEER_SERVICES: dict[str, tuple[Template, Template]] = {
    "not_deployed": ("{node} is not deployed yet", "run: deploy region {region}"),
    "node_unreachable": ("not known, because {node} could not be queried: {reason}", "{fix}"),
    "file_missing": (
        "{title} on {node} has not reported the state of its peers yet",
        "run: deploy region {region}",
    ),
    "file_unreadable": (
        "the report of {title} on {node} about its peers cannot be read: {detail}",
        "run: deploy region {region} --full; if this happens again, look at {file} on {node}",
    ),
    "file_old": (
        "{title} on {node} last checked its peers on {checked:time}",
        "run on {node}: systemctl list-timers; then run: deploy region {region}",
    ),
    "not_in_file": (
        "{title} on {node} does not have {peer} as a peer yet",
        "run: deploy region {region}",
    ),
    "entry_invalid": (
        "the report of {title} on {node} about {peer} cannot be read: {detail}",
        "run: deploy region {region} --full; if this happens again, look at {file} on {node}",
    ),
    "code_unknown": (
        "{title} on {node} reports {code}, which this version of Chautari does not know",
        "use the version of Chautari that last deployed the region",
    ),
    "left": (
        "{title} on {node} still has {peer} as a peer, but region.yml does not list it",
        "run: deploy region {region}",
    ),
}

# How two regions share nodes or space, and what to do.
PEER_CAPACITY: dict[str, tuple[Template, Template]] = {
    "lent": ("{region} lends, and {peer} borrows", ""),
    "borrowed": ("{peer} lends, and {region} borrows", ""),
    "not_requested": (
        "{region} lends, but {peer} does not borrow yet",
        "ask the group of {peer} to add {borrow_setting} in their region.yml, and to deploy; "
        "then run: deploy federation status {region}",
    ),
    "not_offered": (
        "{region} wants to borrow, but {peer} does not lend yet",
        "ask the group of {peer} to add {lend_setting} in their region.yml, and to deploy; then "
        "run: deploy federation status {region}",
    ),
    "letter_missing": (
        "{peer} has published no letter to {region}",
        "ask the group of {peer} to list your region under federation.lend, "
        "federation.borrow or backup, and to deploy; then run: deploy federation status "
        "{region}",
    ),
    "letter_not_fetched": (
        "the letter from {peer} has not been received yet",
        "run: deploy federation status {region}; then deploy",
    ),
    "letter_outdated": (
        "{peer} has published a newer letter, but this region still uses the older one",
        "run: deploy federation status {region}; then deploy",
    ),
    "letter_stored": (
        "a new letter from {peer} was stored",
        "commit peers/{peer}.received.age, and run: deploy region {region}",
    ),
    "letter_unreachable": ("the letter from {peer} could not be downloaded: {reason}", "{fix}"),
    "letter_refused": ("the letter from {peer} was refused: {reason}", "{fix}"),
}

"""Texts about pins: why a release was refused, and what to do."""

from __future__ import annotations

from chautari.language import Text
from chautari.report.message_templates import Data, Template, fill_template

_AGAIN: Text = "run the command again; the download continues where it stopped"
_TAMPERED: Text = (
    "do not use this file; run the command again over another internet connection, and report the "
    "problem to upstream if it happens again"
)
_UPSTREAM: Text = (
    "read upstream's page about the release; choose another version with --pin NAME=VERSION"
)

# Each code has what happened, and what to do.
PIN_REFUSALS: dict[str, tuple[Template, Template]] = {
    "no_network": (
        "{host} could not be reached ({detail})",
        "check this machine's internet connection, then run the command again",
    ),
    "no_progress": ("{host} sent nothing for {minutes} minutes ({detail})", _AGAIN),
    "too_slow": ("the download of {url} took longer than {hours} hours", _AGAIN),
    "certificate_invalid": (
        "the certificate of {host} is not valid ({detail})",
        "check this machine's clock with `date`; if it is right, something on the network "
        "intercepts connections",
    ),
    "not_found": ("there is no file at {url}", _UPSTREAM),
    "http_status": ("{host} answered with status {status} for {url}", _AGAIN),
    "redirected": (
        "{url} redirects to {target}, which is not a server of the upstream project",
        _TAMPERED,
    ),
    "too_large": ("{url} is larger than {megabytes} MB", _TAMPERED),
    "compressed": ("{host} sent a compressed answer, although none was requested", _TAMPERED),
    "web_page": (
        "{url} is a web page, not a file",
        "log in to your network if it has a login page, then run the command again",
    ),
    "truncated": ("the download of {url} ended too early", _AGAIN),
    "not_this_archive": ("{name} {version} is not a {kind} archive", _TAMPERED),
    "archive_damaged": ("the archive of {name} {version} is damaged ({detail})", _TAMPERED),
    "archive_too_large": (
        "the archive of {name} {version} contains more data than Chautari accepts",
        _TAMPERED,
    ),
    "unsafe_path": ("the archive of {name} {version} contains the path {path}", _TAMPERED),
    "unsafe_entry": (
        "the archive of {name} {version} contains {path}, which is a device, a duplicate, or a "
        "link that leads outside the archive",
        _TAMPERED,
    ),
    "no_single_folder": (
        "the archive of {name} {version} contains {path} outside the only folder that a release "
        "may have at its top",
        _TAMPERED,
    ),
    "version_missing": (
        "the archive of {name} {version} does not contain the file {file} with a version number",
        _TAMPERED,
    ),
    "other_version": ("the archive of {name} {version} contains version {found}", _TAMPERED),
    "checksum_unreadable": ("{url} does not contain a checksum of {file}", _TAMPERED),
    "checksum_differs": (
        "{name} {version} does not match the checksum that upstream publishes at {url}",
        _TAMPERED,
    ),
    "signature_unreadable": ("{url} does not contain an OpenPGP signature", _TAMPERED),
    "gpgv_missing": (
        "the signature of {name} {version} cannot be checked: gpgv is not installed",
        "install it: sudo apt-get install -y gpgv; then run the command again",
    ),
    "signature_invalid": ("the signature of {name} {version} is not valid", _TAMPERED),
    "other_signer": (
        "{name} {version} is signed with the key {found}, not with the key {expected} of {signer}",
        _TAMPERED,
    ),
    "catalogue_unreadable": ("{catalogue} did not send a list of apps", _AGAIN),
    "not_in_catalogue": (
        "{catalogue} has no release {version:or of any version} of {name} for {platform}",
        _UPSTREAM,
    ),
    "published_elsewhere": (
        "the address {url}, which {catalogue} lists for {name}, is not the expected address of "
        "this release",
        _TAMPERED,
    ),
    "authority_unknown": ("the certificates at {url} are not those of {catalogue}", _TAMPERED),
    "certificate_untrusted": (
        "the certificate of {name} in {catalogue} was not issued by the certificate authority "
        "of {catalogue} ({detail})",
        _TAMPERED,
    ),
    "certificate_of_other": ("the certificate of {name} belongs to {found}", _TAMPERED),
    "certificate_revoked": ("the certificate of {name} is revoked", _UPSTREAM),
    "file_changed": (
        "the file of {name} {version} changed while it was checked",
        "stop other programs that write to it, then run the command again",
    ),
    "ways_differ": (
        "the downloads of {name} {version} over {first} and over {second} differ",
        "do not use either file; find out which one is right, for example with the help of another "
        "operator",
    ),
    "digest_unknown": ("{way} could not fetch {name} {version} ({detail})", _AGAIN),
    "image_unreadable": ("{host} did not send a description of the image {image}", _UPSTREAM),
    "one_way": (
        "{name} {version} was downloaded only over {ways}, and upstream publishes neither a "
        "checksum nor a signature",
        "add a second source: --via-node NODE or --mirror DIR; to trust this one source, add --yes",
    ),
    "not_known": (
        "no service uses an archive or image called {name}",
        "choose one of: {known}",
    ),
    "lock_file_form": (
        "this command cannot add a pin to {file}, because it does not support the layout of the "
        "file",
        "add the pin yourself: {pin}",
    ),
}


def pin_refusal_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why a release was not pinned, and what to do."""
    reason, fix = PIN_REFUSALS.get(code, (None, _AGAIN))
    return fill_template(reason, code, data), fill_template(fix, code, data)

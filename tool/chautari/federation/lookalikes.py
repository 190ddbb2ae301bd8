"""Refuse domain names that look like another one.

`validate_domain` accepts ASCII only, so other scripts come as punycode (`xn--…`), which browsers
show as letters. Rules: one script in a label (UTS 39, "single script"), and no label that consists
only of letters that look Latin. Names in ASCII are compared by what they look like.
"""

from __future__ import annotations

import unicodedata

from chautari.language import _

# Japanese is written with three scripts at a time (UTS 39, section 5.1).
_SAME_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK"}
# Letters of Cyrillic, Greek and Armenian that look Latin in most typefaces (UTS 39, confusables).
_LATIN_LOOKING = frozenset("асеорхуіјѕԁһӏԛԝвкмнтгпзьαοινυρτκγσօսոհզցքյ")
_ALIKE = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("-", ""))


def validate_domain_scripts(domain: str) -> str:
    """Return `domain` when none of its labels imitates another one.

    Raises:
        ValueError: when a label mixes scripts, or only looks Latin.
    """
    for label in domain.split("."):
        if label.startswith("xn--"):
            _check_unicode_label(label, _decode_punycode_label(label))
        elif label[2:4] == "--":
            raise ValueError(_("the label {label!r} has an unknown encoding", label=label))
    return domain


def _decode_punycode_label(label: str) -> str:
    import idna  # its tables are large, and few domains need them

    try:
        return str(idna.decode(label))
    except (idna.IDNAError, UnicodeError):
        raise ValueError(_("the label {label!r} is not valid punycode", label=label)) from None


def _check_unicode_label(label: str, decoded: str) -> None:
    letters = [c for c in decoded if unicodedata.category(c).startswith("L")]
    scripts = {_script_of_letter(letter) for letter in letters}
    if len(scripts) > 1:
        raise ValueError(
            _(
                "the label {label!r} mixes letters of {scripts}",
                label=label,
                scripts=" and ".join(sorted(scripts)),
            )
        )
    if letters and set(letters) <= _LATIN_LOOKING:
        raise ValueError(
            _(
                "the label {label!r} consists of letters of another script that look like Latin "
                "letters",
                label=label,
            )
        )


def _script_of_letter(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").split()[0]
    return _SAME_SCRIPT.get(name, name)


def find_lookalike(domain: str, known: list[str]) -> str | None:
    """Return the one of `known` that looks like `domain` but is another name."""
    shape = _with_lookalike_letters_unified(domain)
    return next(
        (
            name
            for name in known
            if name != domain and _with_lookalike_letters_unified(name) == shape
        ),
        None,
    )


def _with_lookalike_letters_unified(domain: str) -> str:
    """Return the name with letters and digits that look alike made equal."""
    for found, replacement in _ALIKE:
        domain = domain.replace(found, replacement)
    return domain

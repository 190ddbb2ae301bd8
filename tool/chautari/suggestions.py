"""What a person probably meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chautari.language import _

MAX_LISTED = 12  # names that a message lists as well as the nearest


def nearest_word(word: str, known: Collection[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be, in any case."""
    import difflib  # only a mistake needs it

    by_lower_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower_case, n=1)
    return by_lower_case[close[0]] if close else None


def fix_for_unknown_word(word: str, known: Sequence[str]) -> str:
    """Return what to write in place of `word`: the nearest of `known`, or any of them."""
    if not known:
        return _("there is none yet")
    close = nearest_word(word, known)
    listed = ", ".join(known)
    if close is None:
        return _("use one of: {listed}", listed=listed)
    is_list_useful = 1 < len(known) <= MAX_LISTED
    return _("did you mean {close}?", close=close) + (
        _(" Known: {listed}", listed=listed) if is_list_useful else ""
    )

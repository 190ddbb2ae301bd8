"""Which of a region's languages an app is translated into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ENGLISH = "en"


def split_language_names(text: str) -> tuple[str, ...]:
    """Return the names in `text`, which spaces separate."""
    return tuple(text.split())


@dataclass(frozen=True)
class Translations:
    """The languages of an app, as its release names them. Every app has English.

    Attributes:
        version: the release that the lists were read from.
        source: the files of that release.
        complete: languages in which at least two thirds of the texts are translated, most complete
            first.
        partial: languages with fewer texts, most complete first.
        separator: what upstream writes between language and country.
    """

    version: str
    source: str
    complete: tuple[str, ...]
    partial: tuple[str, ...] = ()
    separator: str = "_"

    def candidates_for_language(self, language: str) -> list[str]:
        """Return upstream's names of the translations that suit `language`, the best first.

        These are the language itself, the language of all its countries, and that of other
        countries. A later release may have one that this release lacks.
        """
        base = language.split("_")[0]
        variants = [
            name
            for name in (*self.complete, *self.partial)
            if self._language_without_region(name) == base
        ]
        own = (language.replace("_", self.separator), base)
        return list(dict.fromkeys((*own, *variants)))

    def find_upstream_locale(self, language: str) -> str | None:
        """Return upstream's name of the translation that people of `language` read, if any."""
        if language.split("_")[0] == ENGLISH:
            return ENGLISH
        return next(
            (name for name in self.candidates_for_language(language) if name in self.complete), None
        )

    def find_first_locale_or_english(self, languages: Iterable[str]) -> str:
        """Return upstream's name of the first translation that suits `languages`, else English."""
        return next(filter(None, map(self.find_upstream_locale, languages)), ENGLISH)

    def candidates_for_languages(self, languages: Iterable[str]) -> list[str]:
        """Return the candidates of all `languages`, in their order."""
        return list(dict.fromkeys(self._candidates_for_languages(languages)))

    def _candidates_for_languages(self, languages: Iterable[str]) -> Iterator[str]:
        for language in languages:
            yield from self.candidates_for_language(language)

    def _language_without_region(self, name: str) -> str:
        return name.split(self.separator)[0]

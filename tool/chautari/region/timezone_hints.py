"""Which time zone a person probably meant: only a mistake needs it."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Iterator, Mapping
from pathlib import Path


def nearest_timezone(value: str, renamed: Mapping[str, str]) -> str:
    """Return the present zone that `value` names in another way; empty if none is near.

    Accepted are any case, spaces, a city without its area, a country and small mistakes. `renamed`
    has the present name of each old zone.
    """
    present = zoneinfo.available_timezones() - set(renamed)
    by_zone = {zone.lower(): zone for zone in present}
    by_zone |= {old.lower(): new for old, new in renamed.items()}
    by_city = {key.rpartition("/")[2]: zone for key, zone in by_zone.items() if "/" in key}
    by_country = {country.lower(): zone for country, zone in _countries_with_one_zone()}
    # Etc/GMT-5 is five hours ahead of UTC, so it is seldom what a person means by GMT-5.
    known = {
        key: zone
        for key, zone in (by_city | by_country | by_zone).items()
        if "/" in zone and not zone.startswith("Etc/")
    }
    word = "_".join(value.lower().split())
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.8)
    return known[close[0]] if close else ""


def _countries_with_one_zone() -> Iterator[tuple[str, str]]:
    """Yield each country that has only one zone, with that zone, from the database's tables."""
    for folder in map(Path, zoneinfo.TZPATH):
        names, zones = folder / "iso3166.tab", folder / "zone.tab"
        if names.is_file() and zones.is_file():
            rows = [row.split("\t") for row in _rows_without_comments(zones)]
            codes = [code for code, *_ in rows]
            only = {code: zone for code, _, zone, *_ in rows if codes.count(code) == 1}
            for row in _rows_without_comments(names):
                code, _, country = row.partition("\t")
                if code in only:
                    yield country.replace(" ", "_"), only[code]
            return


def zones_of_country(country: str) -> tuple[str, ...]:
    """Return the time zones of a country, by its code; none if the system has no table."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (zones := folder / "zone.tab").is_file():
            rows = [row.split("\t") for row in _rows_without_comments(zones)]
            return tuple(zone for code, _, zone, *_ in rows if code == country)
    return ()


def _rows_without_comments(table: Path) -> list[str]:
    lines = table.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]

"""Settings of the front page in `region.yml`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import WithJsonSchema

from chautari.language import _
from chautari.region.base import StrictModel
from chautari.region.field_types import Label, check_language, check_single_line

LONGEST = 2000
# The key of a text that the region gives in one language only.
ANY_LANGUAGE = ""


def _to_texts_by_language(value: Any) -> Any:
    return {ANY_LANGUAGE: value} if isinstance(value, str) else value


def _check_language_or_any(value: str) -> str:
    return check_language(value) if value != ANY_LANGUAGE else value


def validate_paragraphs(value: str) -> str:
    """Return `value` when it is plain text; blank lines separate its paragraphs."""
    if not value.strip() or len(value) > LONGEST:
        raise ValueError(_("write plain text with 1 to {longest} characters", longest=LONGEST))
    return value.strip()


_LanguageKey = Annotated[str, AfterValidator(_check_language_or_any)]
_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
)
Line = Annotated[
    dict[_LanguageKey, Annotated[str, AfterValidator(check_single_line)]],
    BeforeValidator(_to_texts_by_language),
    _SCHEMA,
]
Paragraphs = Annotated[
    dict[_LanguageKey, Annotated[str, AfterValidator(validate_paragraphs)]],
    BeforeValidator(_to_texts_by_language),
    _SCHEMA,
]


class Portal(StrictModel):
    """The region's front page: its services and their state, how to join, and whom to ask."""

    host: Label | None = Field(
        default=None,
        description="First part of the page's DNS name, before the region's domain. By default, "
        "the page is at the domain itself; set `host` if the domain already has a website.",
        examples=["start"],
    )
    title: Line = Field(
        default_factory=dict,
        description="Name of the region as people see it: one text, or one for each language. The "
        "default is the value of `region` with a capital first letter.",
        examples=["Red Andes"],
    )
    about: Paragraphs = Field(
        default_factory=dict,
        description="Description of the region, in plain text: one text, or one for each "
        "language. Blank lines separate paragraphs.",
        examples=[{"es": "Servidores de doce cooperativas.", "en": "Servers of twelve coops."}],
    )
    accounts: Paragraphs = Field(
        default_factory=dict,
        description="How people get an account, in plain text: one text, or one for each language. "
        "By default, the page asks people to write to `contact`.",
        examples=["Ask the secretary of your cooperative."],
    )

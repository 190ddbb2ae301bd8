"""Texts in the languages of our users are accepted: joiners are letters there."""

from pathlib import Path

import pytest
from region_samples import key_pair

from chautari.region.field_types import LONGEST_TEXT
from chautari.region.load import check_region_text
from chautari.secrets import store

FILE = Path("andes/region.yml")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOOQ8BwyDFCdUNF9aAsHUccq3jJdH5i0BW8GKV5ZvRjv"
# Joiners after a virama or a letter, within a word and at its end.
TEXTS = {
    "hi": "क्\u200dषेत्रीय सहकारी समिति: रामप्रसाद श्रीवास्तव, श्रीमान्\u200c",
    "ne": "गर्\u200dयौं, सहकारीका सदस्यहरू: विष्णु\u200cप्रसाद श्रेष्ठ, दर्\u200dशन",
    "bn": "র\u200d্যাব নয়, সমবায়; উদ্\u200cভিদ, শ্রী অমর্ত্য চট্টোপাধ্যায়",
    "es": "Cooperativa «Ñandú»: José Íñiguez y Güemes, ¿de dónde?",
    "pt": "Associação São João — Conceição Magalhães, às 5ª-feiras",
    "pt_BR": "Associac\u0327a\u0303o Sa\u0303o Joa\u0303o",  # marks apart
}
REGION = """\
# {text}
region: andes
domain: andes.example.org
contact: ops@andes.example.org
languages: [{language}]
operators:
  ana: "{key} {text}"
nodes:
  bog1: {{address: 8.8.8.8, services: [portal]}}
  cal1: {{address: 8.8.8.9, os: ubuntu-22.04, services: [bigbluebutton]}}
services:
  portal:
    title: {{{language}: "{text}"}}
    about: "{text}"
    accounts: {{{language}: "{text}\\n\\n{text}"}}
  bigbluebutton: {{rooms: none, recordings: true, welcome: "{text}", consent: '{text}'}}
mail: {{relay: smtp.example.org, user: cloud, from: cloud@andes.example.org}}
"""


def messages(text: str) -> list[str]:
    return [item.message for item in check_region_text(FILE, text)[1]]


def with_welcome(text: str) -> str:
    plain = REGION.format(language="es", text="Hola", key=KEY)
    return plain.replace('welcome: "Hola"', f'welcome: "{text}"')


@pytest.mark.parametrize("language", TEXTS)
def test_region_keeps_texts_as_they_were_written(language: str) -> None:
    text = TEXTS[language]
    region, problems = check_region_text(FILE, REGION.format(language=language, text=text, key=KEY))
    assert problems == () and region is not None
    portal, meetings = region.services.portal, region.services.bigbluebutton  # type: ignore[attr-defined]
    assert (portal.title, portal.about) == ({language: text}, {"": text})
    assert portal.accounts == {language: f"{text}\n\n{text}"}
    assert (meetings.welcome, meetings.consent) == (text, text)
    assert region.operators["ana"] == (f"{KEY} {text}",)


@pytest.mark.parametrize("language", TEXTS)
def test_secrets_are_encrypted_to_a_key_with_a_comment_in_any_language(
    language: str, tmp_path: Path
) -> None:
    line = key_pair(tmp_path, "id").rpartition(" ")[0] + f" {TEXTS[language]}"
    file = tmp_path / "secrets.age"
    kept = store.SecretStore({"mail_relay_password": "canary"}, ())
    file.write_bytes(kept.encrypt(file, (line,)))
    assert store.open_secrets_file(file, [tmp_path / "id"])["mail_relay_password"] == "canary"


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
@pytest.mark.parametrize("form", ["Ho{}la", "{}क", "क {}ख", "12{}3", "क-{}"])
def test_joiner_that_no_script_needs_is_hidden_text(joiner: str, form: str) -> None:
    [message] = messages(with_welcome(form.format(joiner)))
    assert message == f"hidden character U+{ord(joiner):04X}; delete it"


@pytest.mark.parametrize("text", ["क" * (LONGEST_TEXT + 1), "क्\u200d" * LONGEST_TEXT])
def test_texts_of_all_scripts_have_the_same_limit(text: str) -> None:
    [message] = messages(with_welcome(text))
    assert f"1 to {LONGEST_TEXT} characters" in message
    assert messages(with_welcome("क" * LONGEST_TEXT)) == []


@pytest.mark.parametrize("name", ["गर्\u200dयौं", "র\u200d্যাব", "josé"])
def test_names_of_accounts_are_ascii_and_the_message_says_so(name: str) -> None:
    text = REGION.format(language="es", text="Hola", key=KEY).replace("  ana:", f"  {name}:")
    [message] = messages(text)
    assert message.startswith(f"{name!r} is not a valid name; use up to 31 lower-case letters")

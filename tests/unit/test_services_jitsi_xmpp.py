"""The XMPP client of Jitsi's checks."""

from xml.etree import ElementTree as ET

from chautari.services.jitsi import xmpp


def test_refusal_is_named_by_its_condition() -> None:
    stanza = ET.fromstring(
        f"<iq xmlns='jabber:client'><error type='auth'><not-authorized xmlns='{xmpp.STANZAS}'/>"
        f"<text xmlns='{xmpp.STANZAS}'>no</text></error></iq>"
    )
    assert xmpp.name_of_stanza_error(stanza) == "not-authorized"


def test_announced_features_are_components_with_their_address() -> None:
    stanza = ET.fromstring(
        f"<iq xmlns='jabber:client'><query xmlns='{xmpp.DISCO}'>"
        "<identity category='server' type='im' name='Prosody'/>"
        "<identity category='component' type='polls' name='polls.meet.example.org'/>"
        "</query></iq>"
    )
    assert xmpp.announced_components(stanza) == {"polls": "polls.meet.example.org"}

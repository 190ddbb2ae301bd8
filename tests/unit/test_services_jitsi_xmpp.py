"""The XMPP client of Jitsi's checks."""

from xml.etree import ElementTree as ET

from chautari.services.jitsi import xmpp


def test_refusal_is_named_by_its_condition() -> None:
    stanza = ET.fromstring(
        f"<iq xmlns='jabber:client'><error type='auth'><not-authorized xmlns='{xmpp.STANZAS}'/>"
        f"<text xmlns='{xmpp.STANZAS}'>no</text></error></iq>"
    )
    assert xmpp.error_name(stanza) == "not-authorized"

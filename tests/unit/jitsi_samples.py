"""A region with video meetings: a meeting node and a further bridge."""

MEETING = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
languages: [es]
bandwidth: low
operators: {{ana: {key} ana@laptop}}
nodes:
  cal1: {{address: 203.0.113.12, services: [jitsi]}}
  cal2: {{address: 203.0.113.13, address6: '2001:db8::13', services: [jitsi-bridge]}}
services:
  jitsi: {{host: meet, members: [ana, luz], relays: true}}
"""
OPEN = MEETING.replace("members: [ana, luz], relays: true", "access: open").replace(
    "\n  cal2: {{address: 203.0.113.13, address6: '2001:db8::13', services: [jitsi-bridge]}}", ""
)

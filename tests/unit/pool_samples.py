"""A region with a pool of BigBlueButton servers, whose rooms are in Greenlight."""

POOL = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
languages: [es]
operators: {{ana: {key} ana@laptop}}
sandbox:
  network: 203.0.113.0/24
  os_substitutes: {{ubuntu-22.04: {{os: debian-12, memory_mb: 900, cores: 1}}}}
nodes:
  cal1: {{address: 203.0.113.12, os: ubuntu-22.04, services: [bigbluebutton]}}
  cal2: {{address: 203.0.113.13, os: ubuntu-22.04, services: [bigbluebutton]}}
  bog1: {{address: 203.0.113.14, os: OS, services: [greenlight, scalelite]}}
services:
  bigbluebutton: {{host: rooms, rooms: greenlight}}
  greenlight: {{host: lobby, registration: approval}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
""".replace("OS", "debian-13")
ALONE = "\n".join(line for line in POOL.splitlines() if "cal2" not in line).replace(
    "[greenlight, scalelite]", "[greenlight]"
)

"""Variables of a node for the tests, with the secrets of all services."""

from pathlib import Path

from region_samples import REGION, load_sample_region

from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.render.variables import NodeContext, NodeVariables, variables_of_node
from chautari.secrets.store import SecretStore
from chautari.services.secret_spec import generate_rsa_key

SECRETS = SecretStore(
    {
        "mail_relay_password": "canary-relay",
        "nextcloud_admin_password": "canary-admin",
        "nextcloud_database_password": "canary-database",
        "nextcloud_check_password": "canary-check",
        "framadate_admin_password": "canary-polls",
        "jitsi_focus_password": "canary-focus-0123456",
        "jitsi_bridge_password": "canary-bridge-012345",
        "jitsi_key": generate_rsa_key(),
        "jitsi_turn_secret": "canary-turn-01234567",
        "bigbluebutton_secret": "Canary" * 8,
        "bigbluebutton_turn_secret": "canary-relay-0123456",
        "containers_redis_password": "canaryredis0123456789",
        "greenlight_admin_password": "Aa1-canary-greenlight",
        "greenlight_database_password": "canarygreenlightbase",
        "greenlight_key": "c0" * 64,
        "scalelite_secret": "Pool" * 12,
        "scalelite_database_password": "canaryscalelitebase1",
        "scalelite_key": "d0" * 64,
        "jitsi_check_password": "canary-jitsi-check-0",
        "jitsi_member_ana": "canary-member-ana-01",
        "jitsi_member_luz": "canary-member-luz-01",
    },
    (),
)


def node(
    folder: Path, name: str, endpoints: Endpoints = PUBLIC_INTERNET, text: str = REGION
) -> NodeVariables:
    return variables_of_node(
        NodeContext(load_sample_region(folder, text), endpoints, name), SECRETS
    )

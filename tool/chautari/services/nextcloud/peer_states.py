"""What Nextcloud's file about its peers may say of a peer."""

from __future__ import annotations

from chautari.services.base import PeerStateMeaning

STATE_FILE = "/var/lib/chautari-nextcloud/federation.json"

PEER_STATE_CODES = {
    "trusted": PeerStateMeaning("green", "both Nextcloud servers trust each other"),
    "waiting_for_peer": PeerStateMeaning(
        "pending",
        "the Nextcloud server of {peer} does not trust the Nextcloud server of {region} yet",
        "ask the group of {peer} to add {region} to federation.peers in their region.yml, and to "
        "deploy their region",
    ),
    "handshake_running": PeerStateMeaning(
        "pending",
        "the two Nextcloud servers are exchanging a shared secret",
        "wait ten minutes, then check again: deploy federation status {region}",
    ),
    "not_ready": PeerStateMeaning(
        "pending",
        "the Nextcloud server of {region} is in maintenance mode or being upgraded",
        "wait for the upgrade to finish; if it does not, run: deploy region {region}",
    ),
    "unreachable": PeerStateMeaning(
        "broken",
        "the Nextcloud server of {peer} does not answer",
        "ask the group of {peer} whether their server is running; once their server answers, "
        "nothing else has to be done",
    ),
    "not_nextcloud": PeerStateMeaning(
        "broken",
        "no Nextcloud answers at the address that {peer} publishes for its Nextcloud",
        "ask the group of {peer} to deploy again and to check the address of their Nextcloud",
    ),
    "handshake_refused": PeerStateMeaning(
        "broken",
        "the Nextcloud server of {peer} refused the exchange of the shared secret",
        "ask the group of {peer} to deploy again; on both servers, the app federation must be "
        "enabled",
    ),
    "clock_differs": PeerStateMeaning(
        "broken",
        "the clocks of the two servers differ by {seconds} seconds, but at most 300 are allowed",
        "check the clock of both servers: timedatectl; correct the wrong one",
    ),
    "address_differs": PeerStateMeaning(
        "broken",
        "the Nextcloud server of {region} uses the address {own}, but {peer} expects {expected}",
        "run: deploy region {region} --full",
    ),
    "peer_address_private": PeerStateMeaning(
        "broken",
        "the DNS name of {peer}'s Nextcloud has an address that is not public",
        "ask the group of {peer} to correct the DNS records of their Nextcloud",
    ),
    "peer_address_differs": PeerStateMeaning(
        "broken",
        "the Nextcloud server of {peer} calls itself {found}, but {region} pinned {expected}",
        "run: deploy federation status {region}; if the addresses still differ, ask the group of "
        "{peer} to deploy with --full",
    ),
    "signing_disabled": PeerStateMeaning(
        "broken",
        "the Nextcloud server of {region} does not sign its requests, so {peer} cannot check them",
        "run on the node: occ config:app:delete core ocm_signed_request_disabled",
    ),
    "peer_signing_disabled": PeerStateMeaning(
        "broken",
        "the Nextcloud server of {peer} does not sign its requests, so {region} cannot check them",
        "ask the group of {peer} to run on their node: "
        "occ config:app:delete core ocm_signed_request_disabled",
    ),
    "own_failure": PeerStateMeaning(
        "broken",
        "a command of {region}'s Nextcloud server failed",
        "run on the node: journalctl -u nextcloud-federation",
    ),
}  # fmt: skip

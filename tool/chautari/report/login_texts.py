"""The texts of logins: accounts and keys that a node refuses, and logins that a node waits for."""

from __future__ import annotations

from chautari.report.message_templates import Template

LOGIN_NOTICES: dict[str, Template] = {
    "new_login_failed": (
        "A test login with the new SSH settings failed, so the node restores the old settings: "
        "{error}"
    ),
    "own_login_failed": (
        "A test login with your own account failed, so the node keeps its other keys: {error}"
    ),
    "own_account_refused": (
        "This deploy logged in as {user}, because the node does not accept your own account "
        "({accounts}). Check the SSH settings of the node: AllowUsers, AllowGroups, and sudo "
        "without a password for the group chautari-operators."
    ),
}

LOGIN_REFUSALS: dict[str, tuple[Template, Template]] = {
    "key_rejected": (
        "{address} does not accept your SSH key.",
        "Add your public key to ~/.ssh/authorized_keys on the node, or choose the right "
        "key: --identity FILE. A key with a passphrase must be in your SSH agent (ssh-add).",
    ),
    "other_login": (
        "The machine accepted the key, but responded with this message: {said}",
        "Write `user: {user}` for this node in region.yml, then deploy again.",
    ),
}

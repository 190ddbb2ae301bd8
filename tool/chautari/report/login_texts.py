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
        "Choose the right key with --identity FILE, or copy your public key to the node: {command}",
    ),
    "no_key": (
        "{address} needs an SSH key, but you have none: there is none in ~/.ssh, and none in your "
        "SSH agent.",
        "If your key is in another file, add --identity FILE. Otherwise, create a key: {command}",
    ),
    "key_not_private": (
        "SSH does not use your key {file}, because other accounts can read it.",
        "Make the key private: {command}",
    ),
    "key_has_passphrase": (
        "SSH cannot use your key {file}: it has a passphrase, and your SSH agent does not have "
        "this key.",
        "Add the key to your SSH agent: {command}",
    ),
    "other_login": (
        "The machine accepted the key, but responded with this message: {said}",
        "Write `user: {user}` for this node in region.yml, then deploy again.",
    ),
}

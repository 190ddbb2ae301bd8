"""Try the operator's own account on nodes that another account has just deployed.

The first deploy logs in with the provider's account, and creates the accounts of the operators. If
a login with the own account succeeds afterwards, the next command uses it.
"""

from __future__ import annotations

from collections.abc import Sequence

from chautari.deploy.node_run import NodeRun, RunFinishedState
from chautari.parallel import map_parallel
from chautari.report.model import Notice
from chautari.ssh.account_fallback import (
    accounts_of_node,
    current_login,
    probe_account,
    remember_login,
)


def try_own_accounts(runs: Sequence[NodeRun]) -> None:
    """Log in with the own account where a deploy has ended well and another account started it.

    A node that was up to date is not asked again: then a deploy needs only one connection.
    """
    due = [one for one in runs if _is_due(one)]
    if due:
        map_parallel(_try_own_account, due, due[0].context.request.parallel)


def _is_due(node_run: NodeRun) -> bool:
    login = current_login(node_run.target)
    return (
        node_run.mode == "deploy"
        and isinstance(node_run.state, RunFinishedState)
        and node_run.report.state == "converged"
        and login.user == login.configured_user
        and bool(login.other_users)
    )


def _try_own_account(node_run: NodeRun) -> None:
    first, *others = accounts_of_node(node_run.target)
    for login in others:
        if probe_account(login):
            remember_login(login)
            return
    accounts = [login.user for login in others]
    data = {"accounts": accounts, "user": first.user}
    node_run.report.notices.append(Notice("own_account_refused", data))

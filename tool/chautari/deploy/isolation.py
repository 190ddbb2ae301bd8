"""What goes wrong with one node stays with it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from chautari.errors import ChautariError
from chautari.report import messages
from chautari.report.model import CheckResult, Failure, NodeReport, Refusal

Work = Callable[[], list[CheckResult]]


def capture_node_errors(report_of: Callable[[], NodeReport], work: Work) -> list[CheckResult]:
    """Do the work on one node and note how long it took; what breaks it is told in its report.

    `report_of` gives the node's report as it is then. Nobody reads on after a broken pipe to
    whoever is told: that ends everything.
    """
    began = time.monotonic()
    try:
        return work()
    except BrokenPipeError:
        raise
    except ChautariError as error:
        report = report_of()
        report.state = "failed"
        report.refusals.append(Refusal("error", {"message": error.message, "fix": error.fix}))
    except Exception as error:
        report, said = report_of(), "".join(traceback.format_exception(error)).splitlines()
        what = messages.failure("bug", {"error": f"{type(error).__name__}: {error}"})
        report.state, report.failed = "failed", report.failed + 1
        report.failure = Failure("deploy", "work on this node", what, said)
    finally:
        report_of().seconds = time.monotonic() - began
    return []

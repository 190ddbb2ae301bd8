"""An error of one node stays in its report."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from chautari.files import to_displayable_error
from chautari.language import _
from chautari.report import messages
from chautari.report.model import CheckResult, NodeReport, Refusal, TaskFailure

Work = Callable[[], list[CheckResult]]


def run_node_work_safely(report_of: Callable[[], NodeReport], work: Work) -> list[CheckResult]:
    """Do the work on one node; put its duration and its error into the node's report.

    `report_of` returns the report, which the work may replace. A broken pipe is not an error of the
    node: the reader of the output went away, so it is raised.
    """
    began = time.monotonic()
    try:
        return work()
    except BrokenPipeError:
        raise
    except Exception as error:
        if expected := to_displayable_error(error):
            report, data = report_of(), {"message": expected.message, "fix": expected.fix}
            report.state = "failed"
            report.refusals.append(Refusal("error", data))
            return []
        report, trace = report_of(), "".join(traceback.format_exception(error)).splitlines()
        message = messages.failure_text("bug", {"error": f"{type(error).__name__}: {error}"})
        report.state, report.failed = "failed", report.failed + 1
        report.failure = TaskFailure("deploy", _("Process this node"), message, trace)
    finally:
        report_of().seconds = time.monotonic() - began
    return []

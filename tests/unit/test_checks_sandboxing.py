"""The sandbox of services, as the checks of roles measure it."""

from types import SimpleNamespace

import pytest

from chautari.checks import sandboxing

OVERALL = "→ Overall exposure level for {}: {} OK :-)\n"


class Host:
    """A node whose units have the exposures that a test gives."""

    def __init__(self, exposures: dict[str, str], status: str = "") -> None:
        self.exposures, self.status = exposures, status

    def run(self, command: str, unit: str) -> SimpleNamespace:
        if "systemctl" in command:
            return SimpleNamespace(rc=0, stdout="42\n" if self.status else "0\n", stderr="")
        if not self.exposures:
            return SimpleNamespace(rc=127, stdout="", stderr="sh: systemd-analyze: not found")
        if unit not in self.exposures:
            return SimpleNamespace(rc=1, stdout="", stderr=f"Unit {unit} not found.")
        text = "✗ PrivateNetwork= 0.5\n" + OVERALL.format(unit, self.exposures[unit])
        return SimpleNamespace(rc=0, stdout=text, stderr="")

    def file(self, path: str) -> SimpleNamespace:
        name = path.rpartition("/")[2]
        return SimpleNamespace(exists=name in self.exposures, content_string=self.status)


def test_exposure_at_the_limit_passes() -> None:
    sandboxing.assert_exposure(Host({"a.service": "3.0", "b.service": "1.1"}), ["a.service"])
    sandboxing.assert_exposure(Host({"a.service": "6.0"}), ["a.service"], 6.0)


@pytest.mark.parametrize(
    ("exposures", "message"),
    [
        ({"a.service": "9.6"}, "above 3.0: a.service: 9.6"),
        ({"a.service": "3.1"}, "above 3.0: a.service: 3.1"),
        ({}, "systemd-analyze is missing"),
        ({"b.service": "1.0"}, "a.service could not be measured: Unit a.service not found."),
    ],
)
def test_open_or_unmeasured_unit_fails(exposures: dict[str, str], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        sandboxing.assert_exposure(Host(exposures), ["a.service"])


def test_units_that_the_region_does_not_ask_for_are_left_out() -> None:
    host = Host({"a.service": "1.0"})
    assert sandboxing.units_in_use(host, ["a.service", "b.service"]) == ["a.service"]
    with pytest.raises(AssertionError, match=r"none of these units"):
        sandboxing.units_in_use(host, ["b.service"])


STATUS = "Name:\tnginx\nNoNewPrivs:\t{}\nSeccomp:\t{}\nSeccomp_filters:\t9\n"


def test_running_service_with_its_limits_passes() -> None:
    sandboxing.assert_running_in_sandbox(Host({}, STATUS.format(1, 2)), "nginx")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("", "nginx is not running"),
        (STATUS.format(0, 0), "started before its limits"),
        (STATUS.format(1, 0), "started before its limits"),
    ],
)
def test_service_without_its_limits_fails(status: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        sandboxing.assert_running_in_sandbox(Host({}, status), "nginx")

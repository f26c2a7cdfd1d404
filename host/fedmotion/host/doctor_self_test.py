"""The doctor's look at the sensor's self-test: each axis against what the factory measured."""

from collections.abc import Iterator

from fedmotion.host.doctor_checks import Check, guarded, judged, not_checked
from fedmotion.host.self_test import SelfTested
from fedmotion.protocol.self_test_frame import SelfTest, SelfTestOutcome
from fedmotion.protocol.serial_frames import AXES

NAME = "self-test"


def look_at_self_test(of: SelfTested) -> list[Check]:
    """Return the check of the section `sensor` that the board itself makes."""
    return guarded("sensor", NAME, lambda: _self_test(of))


def _self_test(of: SelfTested) -> Iterator[Check]:
    report = of.report
    if report is None:
        yield from not_checked("sensor", [NAME], of.why)
        return
    if report.outcome == SelfTestOutcome.SENSOR_LOST:
        yield Check(
            "sensor",
            NAME,
            "failed",
            "the sensor went meanwhile, or did not take its settings",
            what_to_do="check the sensor's four wires and solder its header; then run the doctor again",
        )
        return
    if report.outcome == SelfTestOutcome.DONE:
        yield _judged(report)
        return
    words: dict[int, str] = {
        SelfTestOutcome.UNKNOWN_SENSOR: "this sensor's is not known: an MPU6050's alone is",
        SelfTestOutcome.MOVED: "the board was moved meanwhile",
    }
    yield from not_checked("sensor", [NAME], words.get(report.outcome, "the board could not do it"))


def _judged(report: SelfTest) -> Check:
    """Return the check of a test that was done."""
    by_axis = dict(zip(AXES, report.deviation_permille, strict=True))
    known = {axis: value for axis, value in by_axis.items() if value != SelfTest.NO_TRIM}
    rest = " ".join(f"{value:+.2f}" for value in report.rest_degps)
    if not known:
        return Check("sensor", NAME, "not checked", "the sensor does not say what the factory measured")
    beyond = [axis for axis, value in known.items() if abs(value) > report.limit_permille]
    silent = [axis for axis in beyond if abs(known[axis] + 1000) <= report.limit_permille]
    worst = max(known.values(), key=abs) / 10
    measured = " ".join(
        f"{axis} {value / 10:+.1f} %" if axis in known else f"{axis} not said"
        for axis, value in by_axis.items()
    )
    what_to_do = (
        f"{' '.join(silent)} does not answer at all and is broken: use another sensor"
        if silent
        else f"{' '.join(beyond)} is not as it left the factory, after a blow or because it is a copy of an "
        "MPU6050: run the doctor again with the board on a firm table, and use another sensor where it stays"
    )
    return judged(
        "sensor",
        NAME,
        is_right=not beyond,
        measured=f"{measured} from the trim; at rest {rest} deg/s at {report.temperature_degc:.1f} °C",
        limit=f"± {report.limit_permille / 10:g} %",
        what_to_do=what_to_do,
        value=worst,
        unit="%",
    )

"""The virtual sensor: counts, saturation, interpolation, noise, faults."""

import numpy as np
import pytest

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.virtual_mpu6050 import IDEAL, Imperfection, VirtualMpu6050


def motion_of_rows(t_s: list[float], rows: list[list[float]]) -> Motion:
    axes = np.array(rows)
    return Motion(np.array(t_s), axes[:, :3], axes[:, 3:])


def still(force: tuple[float, float, float] = (0.0, 0.0, STANDARD_GRAVITY_MPS2)) -> Motion:
    return motion_of_rows([0.0, 1.0], [[*force, 0, 0, 0]] * 2)


def instants(*t_us: int) -> np.ndarray:
    return np.array(t_us, dtype=np.int64)


@pytest.mark.parametrize(("accel_g", "expected"), [(2, 16384), (4, 8192), (8, 4096), (16, 2048)])
def test_a_still_sensor_counts_one_g_at_each_full_scale(accel_g: int, expected: int) -> None:
    sensor = VirtualMpu6050(still(), accel_full_scale_g=accel_g, imperfection=IDEAL)
    counts, is_read = sensor.read(instants(0, 500_000))
    assert counts.tolist() == [[0, 0, expected, 0, 0, 0]] * 2
    assert is_read.all()


def test_turning_counts_as_the_data_sheet_says() -> None:
    # 131 LSB a degree a second at +-250 deg/s: 100 deg/s are 13107 counts of 2**15 / 250.
    motion = motion_of_rows([0.0], [[0, 0, 0, np.radians(100), 0, np.radians(-100)]])
    sensor = VirtualMpu6050(motion, gyro_full_scale_dps=250, imperfection=IDEAL)
    assert sensor.read(instants(0))[0].tolist() == [[0, 0, 0, 13107, 0, -13107]]


def test_beyond_the_full_scale_counts_saturate_at_both_ends() -> None:
    motion = motion_of_rows([0.0], [[100.0, -100.0, 0, 50.0, -50.0, 0]])
    sensor = VirtualMpu6050(motion, imperfection=IDEAL)
    assert sensor.read(instants(0))[0].tolist() == [[32767, -32768, 0, 32767, -32768, 0]]


def test_between_two_instants_of_the_motion_the_sensor_interpolates_linearly() -> None:
    g = STANDARD_GRAVITY_MPS2
    motion = motion_of_rows([10.0, 10.4], [[0, 0, g, 0, 0, 0], [g, 0, -g, 0, 0, 0]])
    sensor = VirtualMpu6050(motion, accel_full_scale_g=2, imperfection=IDEAL)
    counts, _ = sensor.read(instants(0, 100_000, 200_000, 300_000, 400_000, 900_000))
    assert counts[:, 0].tolist() == [0, 4096, 8192, 12288, 16384, 16384]
    assert counts[:, 2].tolist() == [16384, 8192, 0, -8192, -16384, -16384]


def test_noise_is_that_of_the_data_sheet() -> None:
    sensor = VirtualMpu6050(still(), accel_full_scale_g=2, gyro_full_scale_dps=250, seed=1)
    counts, _ = sensor.read(np.arange(20_000, dtype=np.int64))
    # 400 ug/sqrt(Hz) and 0.005 deg/s/sqrt(Hz) over 44 Hz: 43.5 and 4.35 counts.
    assert counts[:, :3].std(axis=0) == pytest.approx([43.5] * 3, rel=0.03)
    assert counts[:, 3:].std(axis=0) == pytest.approx([4.35] * 3, rel=0.03)


def test_bias_moves_the_counts() -> None:
    imperfection = Imperfection(noise=0.0, accel_bias_mps2=(0.0, STANDARD_GRAVITY_MPS2 / 16, 0.0))
    sensor = VirtualMpu6050(still(), accel_full_scale_g=2, imperfection=imperfection)
    assert sensor.read(instants(0))[0].tolist() == [[0, 1024, 16384, 0, 0, 0]]


def test_samples_depend_on_the_seed_and_not_on_how_reads_are_batched() -> None:
    whole, _ = VirtualMpu6050(still(), seed=3).read(np.arange(100, dtype=np.int64))
    sensor = VirtualMpu6050(still(), seed=3)
    pieces = [sensor.read(np.arange(a, b))[0] for a, b in [(0, 1), (1, 64), (64, 100)]]
    other, _ = VirtualMpu6050(still(), seed=4).read(np.arange(100, dtype=np.int64))
    assert np.concatenate(pieces).tolist() == whole.tolist()
    assert other.tolist() != whole.tolist()


def test_an_unplugged_sensor_answers_no_read_until_it_is_back() -> None:
    sensor = VirtualMpu6050(still())
    sensor.unplug(10, 20)
    sensor.unplug(40)
    assert sensor.read(instants(9, 10, 19, 20, 39, 40, 90))[1].tolist() == [
        True, False, False, True, True, False, False,
    ]  # fmt: skip
    sensor.replug(60)
    assert sensor.read(instants(59, 60, 90))[1].tolist() == [False, True, True]


def test_temperature_is_counted_as_the_register_map_says() -> None:
    assert VirtualMpu6050(still(), temperature_degc=36.53).temperature_lsb == 0
    assert VirtualMpu6050(still(), temperature_degc=26.53).temperature_lsb == -3400


def test_a_full_scale_that_the_sensor_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"accel full scale is one of \(2, 4, 8, 16\) g, got 3"):
        VirtualMpu6050(still(), accel_full_scale_g=3)
    with pytest.raises(ValueError, match=r"gyro full scale is one of .* got 100"):
        VirtualMpu6050(still(), gyro_full_scale_dps=100)

"""Writes serial.json, golden bytes from serial.md alone: `python generate_serial.py [FOLDER]`.

It imports nothing of fedmotion and none of the libraries that fedmotion's codecs stand on, so that an
agreement of the two is no accident. serial.json holds bytes as hex beside their meaning.
"""

import json
import sys
from pathlib import Path
from typing import Any

Fields = dict[str, Any]  # a JSON object: what it holds is JSON's business


def cobs(data: bytes) -> bytes:
    """Encode by the definition of Cheshire & Baker (1999), section II, for fewer than 254 bytes.

    A zero is appended, the whole is cut after each zero, and each piece becomes its own length followed
    by its bytes without the zero.
    """
    if len(data) >= 254:
        raise ValueError("the code FF has rules of its own, which no frame needs")
    pieces = (data + b"\0").split(b"\0")[:-1]
    return b"".join(bytes([len(piece) + 1]) + piece for piece in pieces)


def crc16(data: bytes, register: int = 0xFFFF) -> int:
    """Divide bit by bit: polynomial x^16 + x^12 + x^5 + 1, register FFFF at first, nothing reflected."""
    for byte in data:
        for place in range(7, -1, -1):
            is_one = (register >> 15) ^ (byte >> place & 1)
            register = register << 1 & 0xFFFF
            if is_one:
                register ^= 0x1021
    return register


def little(value: int, n_bytes: int) -> bytes:
    """Return an integer, negative ones as two's complement, low byte first."""
    return (value % (1 << 8 * n_bytes)).to_bytes(n_bytes, "little")


def hello(fields: Fields) -> bytes:
    """Return HELLO's payload."""
    return (
        little(fields["format_version"], 1)
        + bytes(fields["firmware_version"])
        + str(fields["board"]).encode("ascii").ljust(16, b"\0")
        + little(fields["board_id"], 8)
        + little(fields["sensor_id"], 1)
        + little(fields["accel_full_scale_g"], 1)
        + little(fields["gyro_full_scale_dps"], 2)
        + little(fields["period_us"], 4)
        + b"".join(little(axis, 1) for axis in fields["axis_order"])
        + little(fields["reset_cause"], 1)
    )


def samples(fields: Fields) -> bytes:
    """Return SAMPLES' payload."""
    counts = [little(count, 2) for sample in fields["counts"] for count in sample]
    return little(fields["first_index"], 4) + little(fields["period_us"], 2) + b"".join(counts)


def status(fields: Fields) -> bytes:
    """Return STATUS' payload."""
    return (
        little(fields["faults"], 2)
        + little(fields["n_samples"], 4)
        + little(fields["n_dropped"], 4)
        + little(fields["n_sensor_errors"], 2)
        + little(fields["n_bad_commands"], 2)
        + little(fields["n_transmit_stalls"], 2)
        + little(fields["temperature_lsb"], 2)
        + little(fields["is_streaming"], 1)
    )


def result(fields: Fields) -> bytes:
    """Return RESULT's payload."""
    return (
        little(fields["command_type"], 1) + little(fields["command_sequence"], 2) + little(fields["code"], 1)
    )


def self_test(fields: Fields) -> bytes:
    """Return SELF_TEST's payload."""
    values = (*fields["deviation_permille"], *fields["rest_counts"], fields["temperature_lsb"])
    return (
        little(fields["outcome"], 1)
        + little(fields["limit_permille"], 2)
        + little(fields["rest_full_scale_dps"], 2)
        + b"".join(little(value, 2) for value in values)
    )


COMMAND_BYTES = {0x41: 0, 0x42: 0, 0x43: 4, 0x44: 1, 0x45: 2, 0x46: 1, 0x47: 8, 0x48: 1, 0x49: 0}


def command(fields: Fields) -> bytes:
    """Return a command's payload."""
    return little(fields["argument"], COMMAND_BYTES[fields["type"]])


BODIES = {
    "Hello": (0x01, hello),
    "Samples": (0x02, samples),
    "Status": (0x03, status),
    "Result": (0x04, result),
    "SelfTest": (0x05, self_test),
    "Command": (0, command),
}


def plain_frame(frame_type: int, sequence: int, t_us: int, payload: bytes) -> bytes:
    """Return a frame before COBS."""
    content = little(frame_type, 1) + little(sequence, 2) + little(t_us, 4) + payload
    return content + little(crc16(content), 2)


def line(plain: bytes) -> str:
    """Return a frame as it stands on the line, in hex."""
    return (cobs(plain) + b"\0").hex()


def frame(name: str, kind: str, sequence: int, t_us: int, fields: Fields) -> Fields:
    """Return one vector."""
    frame_type, encode = BODIES[kind]
    plain = plain_frame(fields.get("type", frame_type), sequence, t_us, encode(fields))
    return {
        "name": name,
        "sequence": sequence,
        "t_us": t_us,
        "kind": kind,
        "fields": fields,
        "plain": plain.hex(),
        "line": line(plain),
    }


UNO: Fields = {
    "format_version": 1,
    "firmware_version": [0, 1, 0],
    "board": "uno",
    "board_id": 0,
    "sensor_id": 0x68,
    "accel_full_scale_g": 2,
    "gyro_full_scale_dps": 250,
    "period_us": 10_000,
    "axis_order": [1, 2, 3, 4, 5, 6],
    "reset_cause": 0,
}
TURNED: Fields = {
    "format_version": 1,
    "firmware_version": [255, 2, 30],
    "board": "sixteen-letters!",
    "board_id": 2**64 - 1,
    "sensor_id": 0x70,
    "accel_full_scale_g": 16,
    "gyro_full_scale_dps": 2000,
    "period_us": 1000,
    "axis_order": [-2, 1, 3, -5, 4, 6],
    "reset_cause": 3,
}
STATUS: Fields = {
    "faults": 0b1001000,
    "n_samples": 123_456_789,
    "n_dropped": 8,
    "n_sensor_errors": 1,
    "n_bad_commands": 2,
    "n_transmit_stalls": 3,
    "temperature_lsb": -3920,
    "is_streaming": True,
}
SELF_TEST: Fields = {
    "outcome": 0,
    "limit_permille": 140,
    "rest_full_scale_dps": 250,
    "deviation_permille": [12, -34, 0, 141, -32768, 32767],
    "rest_counts": [-131, 0, 262],
    "temperature_lsb": -3920,
}
AT_REST = [12, -34, 16384, -5, 0, 7]
EXTREMES = [[-32768, 32767, 0, -1, 1, 256], [255, -256, 0, 0, 0, 0]]


def frames() -> list[Fields]:
    """Return a vector of each frame, and of the numbers at their ends."""
    sixteen = [[100 * row + column for column in range(6)] for row in range(16)]
    return [
        frame("HELLO of an Arduino Uno", "Hello", 0, 1234, UNO),
        frame("HELLO with all fields full and turned axes", "Hello", 65_535, 2**32 - 1, TURNED),
        frame(
            "SAMPLES with one sample of a board at rest",
            "Samples",
            1,
            11_234,
            {"first_index": 0, "period_us": 10_000, "counts": [AT_REST]},
        ),
        frame(
            "SAMPLES with the ends of the range",
            "Samples",
            65_535,
            2**32 - 500,
            {"first_index": 2**32 - 2, "period_us": 1000, "counts": EXTREMES},
        ),
        frame(
            "SAMPLES after sequence, time and index wrapped",
            "Samples",
            0,
            1500,
            {"first_index": 0, "period_us": 1000, "counts": EXTREMES},
        ),
        frame(
            "SAMPLES full",
            "Samples",
            258,
            0x01020304,
            {"first_index": 4096, "period_us": 65_535, "counts": sixteen},
        ),
        frame("STATUS with two faults", "Status", 513, 1_000_000, STATUS),
        frame(
            "STATUS of zeros",
            "Status",
            0,
            0,
            {name: False if name == "is_streaming" else 0 for name in STATUS},
        ),
        frame(
            "RESULT: out of range",
            "Result",
            2,
            5_000_000,
            {"command_type": 0x43, "command_sequence": 7, "code": 3},
        ),
        frame("SELF_TEST with one axis beyond the limit", "SelfTest", 3, 6_000_000, SELF_TEST),
        frame(
            "SELF_TEST of a sensor that was lost",
            "SelfTest",
            4,
            7_000_000,
            {
                "outcome": 3,
                "limit_permille": 140,
                "rest_full_scale_dps": 250,
                "deviation_permille": [0] * 6,
                "rest_counts": [0] * 3,
                "temperature_lsb": 0,
            },
        ),
        frame("GET_HELLO", "Command", 0, 0, {"type": 0x41, "argument": 0}),
        frame("GET_STATUS", "Command", 1, 0, {"type": 0x42, "argument": 0}),
        frame("SET_PERIOD_US 1 ms", "Command", 2, 0, {"type": 0x43, "argument": 1000}),
        frame("SET_ACCEL_FULL_SCALE_G 8", "Command", 3, 0, {"type": 0x44, "argument": 8}),
        frame("SET_GYRO_FULL_SCALE_DPS 1000", "Command", 4, 0, {"type": 0x45, "argument": 1000}),
        frame("SET_TEXT_MODE on", "Command", 5, 0, {"type": 0x46, "argument": 1}),
        frame("SET_BOARD_ID", "Command", 6, 0, {"type": 0x47, "argument": 0x0123456789ABCDEF}),
        frame("SET_STREAMING off", "Command", 7, 0, {"type": 0x48, "argument": 0}),
        frame("RUN_SELF_TEST", "Command", 8, 0, {"type": 0x49, "argument": 0}),
    ]


def refused_lines() -> list[Fields]:
    """Return lines that hold no frame, and the name under which each is counted."""
    status_payload = status(STATUS)
    good = plain_frame(0x03, 1, 2, status_payload)

    def refused(name: str, counted_as: str, hexadecimal: str) -> Fields:
        return {"name": name, "counted_as": counted_as, "line": hexadecimal}

    def with_hello(**changed: Any) -> str:
        return line(plain_frame(0x01, 0, 0, hello(UNO | changed)))

    return [
        refused("a COBS code that points beyond the end", "cobs", "05010200"),
        refused("a frame of 8 bytes", "short", line(good[:8])),
        refused("the last byte missing", "crc", line(good[:-1])),
        refused("the CRC's bytes turned around", "crc", line(good[:-2] + good[:-3:-1])),
        refused("one bit changed", "crc", line(bytes([good[0] ^ 0x04]) + good[1:])),
        refused("the CRC of another start value", "crc", line(good[:-2] + little(crc16(good[:-2], 0), 2))),
        refused("an unknown type", "type", line(plain_frame(0x06, 0, 0, b""))),
        refused("the reserved type 50", "type", line(plain_frame(0x50, 0, 0, b"\1\2"))),
        refused("STATUS a byte too long", "payload", line(plain_frame(0x03, 0, 0, status_payload + b"\0"))),
        refused("SAMPLES without a sample", "payload", line(plain_frame(0x02, 0, 0, bytes(6)))),
        refused("SAMPLES with half a sample", "payload", line(plain_frame(0x02, 0, 0, bytes(6 + 18)))),
        refused("SAMPLES with 17 samples", "payload", line(plain_frame(0x02, 0, 0, bytes(6 + 17 * 12)))),
        refused("SAMPLES without anything", "payload", line(plain_frame(0x02, 0, 0, b""))),
        refused("HELLO of format version 2", "payload", with_hello(format_version=2)),
        refused("HELLO without anything", "payload", line(plain_frame(0x01, 0, 0, b""))),
        refused("HELLO with a full scale of 3 g", "payload", with_hello(accel_full_scale_g=3)),
        refused("HELLO with a full scale of 0 deg/s", "payload", with_hello(gyro_full_scale_dps=0)),
        refused("HELLO with a period of 0", "payload", with_hello(period_us=0)),
        refused("HELLO with an axis twice", "payload", with_hello(axis_order=[1, 1, 3, 4, 5, 6])),
        refused("HELLO with axis 0", "payload", with_hello(axis_order=[0, 2, 3, 4, 5, 6])),
        refused("HELLO with an escape character", "payload", with_hello(board="\x1b[2J")),
        refused(
            "SELF_TEST a byte short", "payload", line(plain_frame(0x05, 0, 0, self_test(SELF_TEST)[:-1]))
        ),
        refused("SET_PERIOD_US with two bytes", "payload", line(plain_frame(0x43, 0, 0, b"\1\2"))),
        refused("GET_HELLO with an argument", "payload", line(plain_frame(0x41, 0, 0, b"\1"))),
        refused("257 bytes without a delimiter", "oversized", "01" * 257 + "00"),
    ]


def serial() -> Fields:
    """Return what serial.json holds."""
    encoded = [
        # Figure 3 of the paper: the start of an IP packet. Typed from the paper, not computed.
        ("Cheshire & Baker, figure 3", "450000 2c4c79 0000 40064f37", "0245 01 042c4c79 01 0540064f37"),
        # Table I of the paper, code by code: 01 a zero; 02 one byte, then a zero; 05 four bytes, then a zero.
        ("nothing", "", "01"),
        ("code 01", "00", "0101"),
        ("code 02", "0100", "020101"),
        ("code 05", "0102030400", "050102030401"),
        ("code FE", "07" * 253, "fe" + "07" * 253),
    ]
    check = b"123456789"
    return {
        "cobs": [
            {
                "name": name,
                "plain": bytes.fromhex(plain).hex(),
                "encoded": bytes.fromhex(hexadecimal).hex(),
            }
            for name, plain, hexadecimal in encoded
        ],
        "crc16": [
            {"data": check.hex(), "crc16": 0x29B1},
            *({"data": data.hex(), "crc16": crc16(data)} for data in (b"", b"\0", b"A", bytes(range(256)))),
        ],
        "frames": frames(),
        "refused": refused_lines(),
    }


def main(folder: Path) -> None:
    """Write serial.json into `folder`."""
    text = json.dumps(serial(), indent=1, ensure_ascii=False) + "\n"
    (folder / "serial.json").write_text(text, encoding="utf-8")
    print(f"{folder / 'serial.json'}: {len(text)} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

"""Print what each environment's firmware takes of its chip, and refuse one that is larger than it may be.

    python firmware/platforms/size_table.py .pio/build uno nano ...

Flash is code and initial values; RAM is what is set aside at link time, so the rest is the stack's.
"""

import subprocess
import sys
from pathlib import Path

MAX_FLASH_BYTES = 12 * 1024
MAX_OTHER_FLASH_BYTES = {
    "leonardo": 15 * 1024,  # its processor is its own USB bridge: the core's USB stack has 3 KB
    "mega2560": 12 * 1024 + 512,  # longer calls and more interrupts
    "da14580": 8 * 1024,  # its program is in RAM
}
MAX_RAM_BYTES = 1024


def sections(elf: Path, environment: str) -> dict[str, int]:
    """Return the bytes of each section in `elf`."""
    tool = "arm-none-eabi-size" if environment == "da14580" else "avr-size"
    done = subprocess.run([tool, "-A", str(elf)], check=True, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[0].startswith(".")}


def main() -> None:
    """Print the table; exit with a sentence where a limit is broken."""
    build, *environments = sys.argv[1:]
    too_large = []
    print(f"{'environment':<12}{'flash bytes':>12}{'at most':>9}{'RAM bytes':>11}{'at most':>9}   firmware")
    for environment in environments:
        elf = Path(build) / environment / "firmware.elf"
        size = sections(elf, environment)
        flash = size.get(".text", 0) + size.get(".data", 0)
        ram = sum(size.get(section, 0) for section in (".data", ".bss", ".noinit"))
        max_flash = MAX_OTHER_FLASH_BYTES.get(environment, MAX_FLASH_BYTES)
        print(f"{environment:<12}{flash:>12}{max_flash:>9}{ram:>11}{MAX_RAM_BYTES:>9}   {elf}")
        if flash > max_flash or ram > MAX_RAM_BYTES:
            too_large.append(environment)
    if too_large:
        sys.exit(f"too large: {', '.join(too_large)}")


if __name__ == "__main__":
    main()

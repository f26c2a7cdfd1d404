"""Print what each environment's firmware takes of its chip, and refuse one that is larger than it may be.

    python firmware/platforms/size_table.py .pio/build uno nano ...

Flash is code and initial values; RAM is what is set aside at link time, so the rest is the stack's.
"""

import subprocess
import sys
from pathlib import Path

MAX_FLASH_BYTES = 12 * 1024
MAX_RAM_BYTES = 1024
MORE_FLASH_BYTES = {"leonardo": 3 * 1024, "mega2560": 512}
"""What some may take beyond that: the core's USB stack; longer calls and more interrupts in 256 KB."""


def sections(elf: Path) -> dict[str, int]:
    """Return the bytes of each section in `elf`."""
    done = subprocess.run(["avr-size", "-A", str(elf)], check=True, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[0].startswith(".")}


def main() -> None:
    """Print the table; exit with a sentence where a limit is broken."""
    build, *environments = sys.argv[1:]
    too_large = []
    print(f"{'environment':<12}{'flash bytes':>12}{'RAM bytes':>12}   firmware")
    for environment in environments:
        elf = Path(build) / environment / "firmware.elf"
        size = sections(elf)
        flash = size.get(".text", 0) + size.get(".data", 0)
        ram = sum(size.get(section, 0) for section in (".data", ".bss", ".noinit"))
        print(f"{environment:<12}{flash:>12}{ram:>12}   {elf}")
        if flash > MAX_FLASH_BYTES + MORE_FLASH_BYTES.get(environment, 0) or ram > MAX_RAM_BYTES:
            too_large.append(environment)
    more = ", ".join(f"{name} {n_bytes} more flash" for name, n_bytes in MORE_FLASH_BYTES.items())
    print(f"{'at most':<12}{MAX_FLASH_BYTES:>12}{MAX_RAM_BYTES:>12}   {more}")
    if too_large:
        sys.exit(f"too large: {', '.join(too_large)}")


if __name__ == "__main__":
    main()

"""Where the firmware keeps its variables, as its compiler's own tools tell."""

import re
import subprocess
from pathlib import Path

LIBRARY = Path(__file__).parents[3] / "firmware" / "lib"
TOOLS = {
    "uno": ("avr-", ("-mmcu=atmega328p",)),
    "da14580": ("arm-none-eabi-", ("-mcpu=cortex-m0", "-mthumb")),
}


def address_of(board: str, elf: Path, name: str) -> int:
    """The variable's address in RAM; link-time optimisation may have given its name an ending."""
    listed = subprocess.run([f"{TOOLS[board][0]}nm", str(elf)], check=True, capture_output=True, text=True)
    pattern = rf"^([0-9a-f]+) [bBdD] (?:_ZL\d+)?{name}(?:\.lto_priv\.\d+)?$"
    (address,) = re.findall(pattern, listed.stdout, re.MULTILINE)
    # AVR's tools put RAM behind the flash, at 800000.
    return int(address, 16) & 0xFFFF if board == "uno" else int(address, 16)


def offset_of(board: str, folder: Path, member: str) -> int:
    """A member's offset in fm_node, compiled as the firmware is."""
    prefix, flags = TOOLS[board]
    source, result = folder / f"{board}.c", folder / f"{board}.o"
    source.write_text(
        f'#include <stddef.h>\n#include "fm_node.h"\nchar wanted[offsetof(fm_node, {member})] = {{1}};\n'
    )
    includes = [f"-I{each}" for each in LIBRARY.iterdir()]
    compiler = f"{prefix}gcc"
    subprocess.run([compiler, *flags, *includes, "-c", "-o", str(result), str(source)], check=True)
    sizes = subprocess.run([f"{prefix}nm", "-S", str(result)], check=True, capture_output=True, text=True)
    (size,) = re.findall(r"^[0-9a-f]+ ([0-9a-f]+) . wanted$", sizes.stdout, re.MULTILINE)
    return int(size, 16)

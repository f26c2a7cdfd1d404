"""Build for a DA14580 with an arm-none-eabi-gcc from PATH, and load into its SysRAM by J-Link or OpenOCD."""

import shutil
import struct
import sys
from pathlib import Path

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

PREFIX = "arm-none-eabi-"
IMAGE_ADDRESS = 0x20000000

env = DefaultEnvironment()
board = env.BoardConfig()
platform_folder = Path(env.PioPlatform().get_dir())

if shutil.which(f"{PREFIX}gcc") is None:
    sys.exit(f"there is no {PREFIX}gcc: apt-get install gcc-arm-none-eabi")

machine = ["-mthumb", "-mcpu=" + board.get("build.cpu")]

env.Replace(
    AR=f"{PREFIX}gcc-ar",
    AS=f"{PREFIX}gcc",
    CC=f"{PREFIX}gcc",
    CXX=f"{PREFIX}g++",
    OBJCOPY=f"{PREFIX}objcopy",
    RANLIB=f"{PREFIX}gcc-ranlib",
    SIZETOOL=f"{PREFIX}size",
    ARFLAGS=["rc"],
    SIZEPROGREGEXP=r"^(?:\.text|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    ASFLAGS=machine,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    # Nobody's library: what GCC calls by itself is in the program, and is not made of itself. A jump
    # table would call libgcc, and chains of comparisons are shorter here.
    CCFLAGS=[
        *machine,
        "-Os",
        "-ffreestanding",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-tree-loop-distribute-patterns",
        "-fno-jump-tables",
    ],
    CFLAGS=["-std=gnu11"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=[
        *machine,
        "-Os",
        "-nostdlib",
        "-nostartfiles",
        "-Wl,--gc-sections",
        "-Wl,--fatal-warnings",
        f"-Wl,-T,{platform_folder / board.get('build.ldscript')}",
    ],
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary $SOURCES $TARGET", "Writing $TARGET"),
            suffix=".bin",
        )
    },
)


def write_jlink_script(target, source, env):  # noqa: ARG001 - SCons' signature
    """Write what J-Link Commander does: the same as openocd.cfg's fm_load."""
    image = Path(str(source[0]))
    stack, start = struct.unpack("<II", image.read_bytes()[:8])
    lines = [
        "r",
        "h",
        "w2 0x50003300 0x0008",
        "w2 0x50000012 0x00a2",
        f'loadbin "{image.resolve()}", {IMAGE_ADDRESS:#x}',
        f'verifybin "{image.resolve()}", {IMAGE_ADDRESS:#x}',
        f"wreg MSP {stack:#x}",
        "wreg XPSR 0x01000000",
        f"SetPC {start & ~1:#x}",
        "g",
        "exit",
    ]
    Path(str(target[0])).write_text("\n".join(lines) + "\n", "utf-8")


elf = env.BuildProgram()
image = env.ElfToBin(str(Path("$BUILD_DIR") / "${PROGNAME}"), elf)
script = env.Command(
    str(Path("$BUILD_DIR") / "upload.jlink"), image, env.VerboseAction(write_jlink_script, "Writing $TARGET")
)

UPLOADS = {
    "jlink": "JLinkExe -device Cortex-M0 -if SWD -speed 1000 -autoconnect 1 -NoGui 1 -ExitOnError 1"
    f' -CommandFile "{script[0]}"',
    "openocd": f'openocd -f interface/jlink.cfg -f "{platform_folder / "openocd.cfg"}"'
    f' -c "fm_load {{{image[0]}}}"',
}
protocol = env.subst("$UPLOAD_PROTOCOL") or board.get("upload.protocol")
if "upload" in COMMAND_LINE_TARGETS and protocol not in UPLOADS:
    sys.exit(f"upload_protocol is one of {', '.join(UPLOADS)}, got {protocol!r}")

size = env.AddPlatformTarget(
    "size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating $SOURCE"), "Program Size"
)
AlwaysBuild(size)
env.AddPlatformTarget("buildprog", [image, script], None, "Build")
env.AddPlatformTarget(
    "upload",
    [image, script],
    env.VerboseAction(UPLOADS.get(protocol, ""), f"Loading into SysRAM by {protocol}"),
    "Upload",
)
Default([image, script])

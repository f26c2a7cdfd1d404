"""Build for an AVR with Debian's compiler and Debian's Arduino core, as PlatformIO's atmelavr would."""

import sys
from pathlib import Path

from SCons.Script import AlwaysBuild, Builder, Default, DefaultEnvironment

CORE_PACKAGE = Path("/usr/share/arduino/hardware/arduino/avr")
ARDUINO_VERSION = 10807  # arduino-core-avr 1.8.x goes with the Arduino IDE 1.8

env = DefaultEnvironment()
board = env.BoardConfig()

if not (CORE_PACKAGE / "cores" / "arduino" / "Arduino.h").is_file():
    sys.exit(
        f"there is no Arduino core in {CORE_PACKAGE}: "
        "apt-get install gcc-avr binutils-avr avr-libc arduino-core-avr"
    )

machine = ["-mmcu=$BOARD_MCU"]
sections = ["-ffunction-sections", "-fdata-sections", "-flto"]
defines = [("F_CPU", "$BOARD_F_CPU"), ("ARDUINO", ARDUINO_VERSION), "ARDUINO_ARCH_AVR"]
if "usb_pid" in board.get("build"):
    defines += [
        ("USB_VID", board.get("build.usb_vid")),
        ("USB_PID", board.get("build.usb_pid")),
        ("USB_PRODUCT", f'\\"{board.get("name")}\\"'),
        ("USB_MANUFACTURER", f'\\"{board.get("vendor")}\\"'),
    ]

env.Replace(
    AR="avr-gcc-ar",
    AS="avr-gcc",
    CC="avr-gcc",
    CXX="avr-g++",
    OBJCOPY="avr-objcopy",
    RANLIB="avr-gcc-ranlib",
    SIZETOOL="avr-size",
    ARFLAGS=["rc"],
    SIZEPROGREGEXP=r"^(?:\.text|\.data|\.bootloader)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss|\.noinit)\s+(\d+).*",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    ASFLAGS=machine,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CFLAGS=["-std=gnu11"],
    # avr-libc's float.h, as seen by g++, lacks DECIMAL_DIG, and the core's String wants it.
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics", "-DDECIMAL_DIG=__DECIMAL_DIG__"],
    CCFLAGS=[*machine, "-Os", *sections],
    CPPDEFINES=defines,
    CPPPATH=[
        str(CORE_PACKAGE / "cores" / "arduino"),
        str(CORE_PACKAGE / "variants" / board.get("build.variant")),
    ],
    LINKFLAGS=[*machine, "-Os", "-flto", "-fuse-linker-plugin", "-Wl,--gc-sections"],
    LIBS=["m"],
    BUILDERS={
        "ElfToHex": Builder(
            action=env.VerboseAction("$OBJCOPY -O ihex -R .eeprom $SOURCES $TARGET", "Writing $TARGET"),
            suffix=".hex",
        )
    },
)

# The core is not ours: its warnings are not either.
core_env = env.Clone()
core_env.Append(CCFLAGS=["-w"])
core = core_env.BuildLibrary(
    str(Path("$BUILD_DIR") / "ArduinoCore"),
    str(CORE_PACKAGE / "cores" / "arduino"),
    # wiring_pulse comes in C and in assembler, to one object's name; pulseIn is not used here.
    ["+<*>", "-<wiring_pulse.S>"],
)
env.Prepend(LIBS=[core])

elf = env.BuildProgram()
firmware = env.ElfToHex(str(Path("$BUILD_DIR") / "${PROGNAME}"), elf)
size = env.AddPlatformTarget(
    "size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating $SOURCE"), "Program Size"
)
AlwaysBuild(size)
env.AddPlatformTarget("buildprog", firmware, None, "Build")
Default(firmware)

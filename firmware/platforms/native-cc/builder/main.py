"""Build for this machine with the system's compiler, as PlatformIO's `native` would."""

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
env.Replace(CC="cc", CXX="c++", AR="ar", RANLIB="ranlib", ARFLAGS=["rc"], PROGSUFFIX="")
Default([env.BuildProgram()])

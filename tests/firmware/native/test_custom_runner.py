"""Reads Unity's lines without Unity itself, which PlatformIO would fetch."""

from platformio.test.runners.unity import UnityTestRunner


class CustomTestRunner(UnityTestRunner):
    """As Unity's, but the test program brings its own few macros."""

    EXTRA_LIB_DEPS = None

    def configure_build_env(self, env):
        """Leave the environment as it is: there is no configuration of Unity."""
        return env

"""Ends a child process when this one dies, however it dies.

A shell reads from a pipe that this process holds: the pipe's end without a word means that the holder is
gone. That works on every POSIX system and, unlike Linux's PR_SET_PDEATHSIG, does not depend on which thread
started the child. Elsewhere there is no leash and the owner's `close` must do.
"""

import contextlib
import shutil
import subprocess

# SIGCONT follows because a stopped process keeps a SIGTERM for later.
_SCRIPT = 'read -r word || { kill -TERM "$0"; kill -CONT "$0"; }'


class Leash:
    """Holds the process `pid` until `release`."""

    def __init__(self, pid: int) -> None:
        shell = shutil.which("sh")
        self._process: subprocess.Popen[bytes] | None = None
        if shell is not None:
            self._process = subprocess.Popen(  # noqa: S603 - a constant script and a number
                [shell, "-c", _SCRIPT, str(pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def release(self) -> None:
        """Let the process go; it is not ended by this."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"released\n")
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()

"""Small files with passwords or what was learned: replaced in one step, readable to their owner only."""

import os
import secrets
from pathlib import Path


def write_private(path: Path, data: bytes | str, *, is_durable: bool = True) -> None:
    """Make `data` the file at `path`, which after a crash is the old one or the new one whole.

    Where it need not be `is_durable`, a power cut may leave it empty; this then does not wait for the disk.

    Raises
    ------
    OSError
        If it cannot be written, or what is there is a folder, a device or a pipe.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists() and not path.is_file():
            raise FileExistsError(0, "it is there already and is no file")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                if is_durable:
                    os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}") from error

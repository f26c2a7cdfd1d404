"""What the numbers of `features` are called, in their order."""

from fedmotion.models.specification import N_FFT_BINS, N_PIECES
from fedmotion.protocol.serial_frames import AXES


def feature_names() -> tuple[str, ...]:
    """Return the name of each feature: `mean ax`, `piece 3 of gy`, `bin 2 of az` and so on.

    Pieces and bins count from 1: piece 1 is the window's first, bin k has k periods in a window.
    """
    statistics = tuple(
        f"{name} {axis}" for name in ("mean", "deviation", "minimum", "maximum") for axis in AXES
    )
    pieces = tuple(f"piece {piece} of {axis}" for piece in range(1, N_PIECES + 1) for axis in AXES)
    bins = tuple(f"bin {k} of {axis}" for axis in AXES for k in range(1, N_FFT_BINS + 1))
    return statistics + pieces + bins

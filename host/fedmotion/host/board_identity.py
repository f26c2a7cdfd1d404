"""Which board it is: boards that look alike are told apart by the id that each says it has."""

from collections.abc import Mapping

from fedmotion.protocol.identity import BOARD_ID_UNSET
from fedmotion.protocol.serial_frames import Hello


class BoardIdentity:
    """Compares the board that answers with the one that is wanted, and with those of earlier recordings.

    Parameters
    ----------
    wanted
        The id that it must have; None: any.
    n_by_board
        How many recordings there are of each board, by its id.
    """

    def __init__(self, wanted: int | None = None, n_by_board: Mapping[int, int] | None = None) -> None:
        self.warning = ""
        self._wanted = wanted
        self._n_by_board = n_by_board or {}
        self._met: int | None = None

    def meet(self, hello: Hello) -> str:
        """Return what is new and to be told about which board this is; nothing where it is as expected.

        Raises
        ------
        ValueError
            If it is not the board that is wanted.
        """
        if self._wanted is not None and hello.board_id != self._wanted:
            raise ValueError(
                f"the board with id {self._wanted} is wanted, and board {named(hello.board_id)} answers: "
                "plug the other one in or name its port (`fedmotion ports --listen` lists both)"
            )
        before, self._met = self._met, hello.board_id
        if before == hello.board_id:
            return ""
        if before is not None:
            self.warning = f"board {named(hello.board_id)} answers now, before it was {named(before)}"
        elif self._n_by_board and hello.board_id not in self._n_by_board:
            others = ", ".join(f"{named(each)} ({n} takes)" for each, n in self._n_by_board.items())
            self.warning = (
                f"this is board {named(hello.board_id)}, and this profile's recordings are of board {others}"
            )
        return self.warning


def named(board_id: int) -> str:
    """Return a board's id as people read it."""
    return "without an id" if board_id == BOARD_ID_UNSET else str(board_id)


def in_short(hello: Hello) -> str:
    """Return which board it is and how it measures, in a few words."""
    return (
        f"board {named(hello.board_id)}, {hello.board}, {1e6 / hello.period_us:g} Hz, "
        f"±{hello.accel_full_scale_g} g, ±{hello.gyro_full_scale_dps} deg/s"
    )

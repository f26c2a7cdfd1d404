"""Hands decisions through the filter to everything that is told of gestures."""

from collections.abc import Callable, Sequence

from fedmotion.host.gesture_output import Gesture, GestureFilter, GestureOutput, Verdict
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel


class GestureTeller:
    """One filter in front of any number of outputs.

    Parameters
    ----------
    chosen
        Which decisions are told.
    outputs
        Who is told, in this order; they are this teller's to close.
    on_verdict
        Told of each decision, also of those that are told to nobody.
    """

    def __init__(
        self,
        chosen: GestureFilter,
        outputs: Sequence[GestureOutput] = (),
        on_verdict: Callable[[Decision, Verdict, Gesture | None], object] = lambda *_: None,
    ) -> None:
        self.filter = chosen
        self._outputs = tuple(outputs)
        self._on_verdict = on_verdict
        self._is_board_there = False

    def decide(self, decision: Decision) -> None:
        """Tell of `decision`, or not."""
        verdict, gesture = self.filter.judge(decision)
        if gesture is not None:
            for output in self._outputs:
                output.on_gesture(gesture, decision)
        self._on_verdict(decision, verdict, gesture)

    def use(self, model: LoadedModel) -> None:
        """Tell of a model that is in use from now on."""
        for output in self._outputs:
            output.on_model(model)

    def tick(self, *, is_board_there: bool) -> None:
        """Let outputs do what is due, and tell of a board that came or went."""
        if is_board_there != self._is_board_there:
            self._is_board_there = is_board_there
            if not is_board_there:
                # The next board's time is another.
                self.filter.forget()
            for output in self._outputs:
                output.on_board(is_there=is_board_there)
        for output in self._outputs:
            output.tick()

    def close(self) -> None:
        """End all outputs."""
        for output in self._outputs:
            output.close()

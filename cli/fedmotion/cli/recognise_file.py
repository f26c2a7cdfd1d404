"""`fedmotion recognise` without a board: a recorded stream, and one recording of the profile."""

from collections.abc import Sequence
from pathlib import Path

import click

from fedmotion.cli.recognise_session import echo_gesture, echo_verdict_as_json
from fedmotion.host.gesture_output import Gesture, Verdict
from fedmotion.host.gesture_teller import GestureTeller
from fedmotion.host.marks import Mark
from fedmotion.host.own_model import in_words
from fedmotion.host.plot.take_file import open_takes
from fedmotion.host.profile import Profile
from fedmotion.host.profile_model import need_model
from fedmotion.host.recognise_configuration import RecogniseConfiguration
from fedmotion.host.recogniser import Decision, Recogniser
from fedmotion.host.stream_score import StreamScore, score_stream
from fedmotion.host.take_stream import stretches


def recognise_file(
    configuration: RecogniseConfiguration,
    profile: Profile,
    file: Path,
    take_index: int,
    marks: Sequence[Mark] | None,
    *,
    is_json: bool,
) -> StreamScore | None:
    """Tell of the gestures in one take of `file`, and return its score where there are marks.

    A file's axes are taken as those of a board worn as pictured.

    Raises
    ------
    ValueError
        If there is no model, no such take, or none of its samples has all six axes.
    OSError
        If the file cannot be read.
    """
    take_at, n_takes = open_takes(file)
    if take_index >= n_takes:
        raise ValueError(f"{file.name} has the takes 0 to {n_takes - 1}, got {take_index}")
    take = take_at(take_index)
    told: list[Gesture] = []

    def on_verdict(decision: Decision, verdict: Verdict, gesture: Gesture | None) -> None:
        if gesture is not None:
            told.append(gesture)
        if is_json:
            echo_verdict_as_json(decision, verdict, gesture)
        elif gesture is not None:
            echo_gesture(gesture)

    teller = GestureTeller(configuration.filter(), on_verdict=on_verdict)
    recogniser = Recogniser(on_decision=teller.decide)
    model = need_model(profile)
    if not is_json:
        click.echo(f"recognising by the {in_words(model)}", err=True)
    recogniser.swap(model)
    for t_us, samples in stretches(take):
        recogniser.feed_samples(t_us, samples, has_gap_before=True)
        recogniser.flush()
    if recogniser.span_us is None:
        raise ValueError(f"take {take_index} of {file.name} has no sample with all of ax to gz")
    if marks is None:
        return None
    return score_stream(marks, told, span_us=recogniser.span_us, seen_us=recogniser.seen_us)


def explain_take(profile: Profile, recording_id: int, place: Path, least: float) -> str:
    """Draw what the model makes of one recording, beside the nearest other one; return it in words.

    Raises
    ------
    ValueError
        If there is no model, no such recording, or no picture can be written there.
    """
    # matplotlib, which the rest does without.
    from fedmotion.host.why import OwnTakes  # noqa: PLC0415 - see above
    from fedmotion.host.why_output import check_place  # noqa: PLC0415 - see above

    path = place if check_place(place) else place / f"recording-{recording_id}.png"
    from fedmotion.host.why_picture import save  # noqa: PLC0415 - after it was looked for

    model = need_model(profile)
    takes = OwnTakes(profile.recordings)
    take = takes.get(recording_id, model.specification)
    explained = takes.explain(model, take.window, least=least, without=recording_id)
    title = f"recording {recording_id}, performed as {take.label}, is decided as {explained.activity}"
    save(explained, title, path)
    probability = dict(zip(explained.activities, explained.probabilities, strict=True))[explained.activity]
    said = f"{title} ({probability:.0%})"
    if explained.nearest is not None:
        nearest = explained.nearest.take
        said += f"; nearest is recording {nearest.recording_id}, {nearest.label}"
    return f"{said}\n{click.format_filename(path)}"

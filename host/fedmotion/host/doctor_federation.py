"""The doctor's look at a federation: invitation, broker, account, permissions, aggregator, released model."""

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

from fedmotion.broker.accounts import Account, permissions
from fedmotion.broker.paho_trial import Trial, try_broker
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.retained_model import ModelMailbox
from fedmotion.host.doctor_checks import Check, guarded, judged, not_checked
from fedmotion.host.profile import Profile
from fedmotion.host.released_model import load_model
from fedmotion.models.family import RuntimeMissingError
from fedmotion.models.networks import NETWORKS
from fedmotion.models.tflite_door import graph
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.invitation import Invitation
from fedmotion.protocol.messages import Presence, decode_message
from fedmotion.protocol.topics import Topics

BROKER_CHECKS = ("name", "broker", "TLS", "account", "may read", "may write", "aggregator", "released model")
MIN_CERTIFICATE_DAYS = 14.0
_DAY_S = 86_400.0

TryBroker = Callable[[Profile, Invitation], Trial]


def try_as_client(profile: Profile, invitation: Invitation) -> Trial:
    """Try the invitation's broker and leave no trace there.

    What is published is a presence that says of a session that never was that it is offline, which everybody
    passes over, an empty contribution and an empty proposal, which the aggregator does.
    """
    topics = Topics(invitation.federation)
    name = invitation.client_id
    allowed = permissions(Account(name, invitation.password, "client", invitation.federation))
    offline = presence_message(name, uuid4(), is_online=False)
    messages = (
        (topics.presence(name), offline),
        (topics.contribution(name), b""),
        (topics.proposal(name), b""),
    )
    return try_broker(profile.address(invitation), name=name, filters=allowed.read, messages=messages)


def look_at_federation(
    profile: Profile,
    *,
    is_asked_for: bool,
    board_rate_hz: float | None = None,
    try_it: TryBroker = try_as_client,
    wall_clock: Callable[[], float] = time.time,
) -> list[Check]:
    """Return the checks of the section `federation`.

    `is_asked_for` tells that a person named this profile, so that it ought to be there.
    """
    if not profile.invitation.exists():
        why = "no federation joined"
        what = (
            f"`fedmotion join FILE`, with the file that its owner gave you, joins one in {profile.directory}"
        )
        first = (
            Check("federation", "invitation", "failed", why, what_to_do=what)
            if is_asked_for and not profile.own_model.exists()
            else Check("federation", "invitation", "not checked", f"{why}: `fedmotion join FILE` joins one")
        )
        return [first, *not_checked("federation", BROKER_CHECKS, why)]

    def look() -> Iterator[Check]:
        try:
            invitation = profile.read_invitation()
        except ValueError as error:
            what = f"{error}; join again with the file that the federation's owner gave you"
            yield Check("federation", "invitation", "failed", "it cannot be read", what_to_do=what)
            yield from not_checked("federation", BROKER_CHECKS, "without an invitation it is not known")
            return
        words = f"client {invitation.client_id!r} of federation {invitation.federation!r}"
        yield Check("federation", "invitation", "ok", words)
        trial = try_it(profile, invitation)
        yield from guarded("federation", "broker", lambda: _way_to_broker(trial, invitation, wall_clock()))
        if trial.reached != "account":
            yield from not_checked("federation", BROKER_CHECKS[4:], "the broker took nobody in")
            return
        yield from guarded("federation", "permissions", lambda: _permissions(trial, invitation))
        yield from guarded("federation", "aggregator", lambda: _aggregator(trial, invitation))
        yield from guarded("federation", "released model", lambda: _model(trial, invitation, board_rate_hz))

    return guarded("federation", "federation", look)


def _way_to_broker(trial: Trial, invitation: Invitation, now_unix_s: float) -> Iterator[Check]:
    steps = ["name", "port", *(["tls"] if invitation.is_tls else []), "account"]
    names = {"name": "name", "port": "broker", "tls": "TLS", "account": "account"}
    measured = {
        "name": f"{invitation.host} is {', '.join(trial.hosts)}",
        "port": f"something answers at port {invitation.port}",
        "tls": trial.tls,
        "account": f"{invitation.client_id!r} is taken in, over {trial.protocol}",
    }
    is_broken = trial.reached == "nothing"
    for step in steps:
        if is_broken:
            yield Check("federation", names[step], "failed", _SHORT[step], what_to_do=trial.trouble)
            after = steps[steps.index(step) + 1 :]
            yield from not_checked("federation", [names[each] for each in after], "see before")
            return
        yield Check("federation", names[step], "ok", measured[step])
        is_broken = step == trial.reached and step != steps[-1]
        if step == "tls" and trial.certificate_unix_s is not None:
            days = (trial.certificate_unix_s - now_unix_s) / _DAY_S
            yield judged(
                "federation",
                "certificate",
                is_right=days >= MIN_CERTIFICATE_DAYS,
                measured=f"good for {days:.0f} more days",
                limit=f"at least {MIN_CERTIFICATE_DAYS:g} days",
                what_to_do="the broker's owner renews its certificate: nobody gets in when it has ended",
                otherwise="warning",
                value=days,
                unit="days",
            )


_SHORT = {
    "name": "the name is not known",
    "port": "nothing answers",
    "tls": "no trusted TLS",
    "account": "not taken in",
}


def _permissions(trial: Trial, invitation: Invitation) -> Iterator[Check]:
    own = (
        f"its owner runs `fedmotion invite {invitation.client_id}` again and reloads the broker's permissions"
    )
    prefix = f"{Topics(invitation.federation).prefix}/"
    silent = [write.topic for write in trial.writes if write.came_back is False]
    unreadable = [topic.removeprefix(prefix) for topic in dict.fromkeys((*trial.refused, *silent))]
    has_echo = any(write.came_back for write in trial.writes)
    if unreadable or has_echo:
        granted = "what a client subscribes to; its own message came back"
        yield judged(
            "federation",
            "may read",
            is_right=not unreadable,
            measured=f"not {', '.join(unreadable)}" if unreadable else granted,
            what_to_do=f"the broker does not let {invitation.client_id!r} read that: {own}",
        )
    else:
        # mosquitto grants every subscription and drops later what may not be read.
        yield from not_checked("federation", ["may read"], "that shows by what it writes, which it may not")
    forbidden = [write for write in trial.writes if write.is_allowed is False]
    unsaid = [write for write in trial.writes if write.is_allowed is None]
    if not forbidden and unsaid:
        topics = ", ".join(write.topic.removeprefix(prefix) for write in unsaid)
        why = f"{topics}: over {trial.protocol} a broker acknowledges also what it drops"
        yield Check("federation", "may write", "not checked", why)
        return
    named = ", ".join(f"{write.topic.removeprefix(prefix)} ({write.reason})" for write in forbidden)
    yield judged(
        "federation",
        "may write",
        is_right=not forbidden,
        measured=f"not {named}" if forbidden else "its presence, contributions and proposals",
        what_to_do=f"the broker does not let {invitation.client_id!r} publish that: {own}",
    )


def _aggregator(trial: Trial, invitation: Invitation) -> Iterator[Check]:
    topic = Topics(invitation.federation).aggregator
    presences = [payload for each, payload in trial.received if each == topic and payload]
    try:
        is_online = bool(presences) and decode_message(presences[-1], Presence)[0].is_online
    except MessageError as error:
        what = f"{error}; its owner and you need the same major version of fedmotion"
        yield Check("federation", "aggregator", "warning", "it says what cannot be read", what_to_do=what)
        return
    yield judged(
        "federation",
        "aggregator",
        is_right=is_online,
        measured="online" if is_online else "offline" if presences else "it has never been at this broker",
        what_to_do="rounds wait until its owner starts `fedmotion aggregator`; recognising goes on",
        otherwise="warning",
    )


def _model(trial: Trial, invitation: Invitation, board_rate_hz: float | None) -> Iterator[Check]:
    mailbox = ModelMailbox(Topics(invitation.federation), "released")
    model = None
    try:
        for topic, payload in trial.received:
            message = mailbox.feed(topic, payload)
            if message is not None:
                model = load_model(message, federation_id=invitation.federation_id, purpose="released")
    except MessageError as error:
        what = f"{error}; if fedmotion is up to date, join again with the newest invitation"
        yield Check("federation", "released model", "failed", "it cannot be used", what_to_do=what)
        return
    if model is None:
        why = "none yet: the first round needs two clients online with 20 takes or more each"
        yield Check("federation", "released model", "not checked", why)
        return
    rate_hz = model.specification.rate_hz
    is_fast = board_rate_hz is None or board_rate_hz >= rate_hz
    yield judged(
        "federation",
        "released model",
        is_right=is_fast,
        measured=f"round {model.round_id}, recognises {', '.join(model.specification.activities)}",
        limit=""
        if board_rate_hz is None
        else f"board at {board_rate_hz:g} Hz, model at {rate_hz:g} Hz or less",
        what_to_do=f"the model wants {rate_hz:g} samples a second, the board gives {board_rate_hz or 0:g}: "
        "raise the board's rate, or flash it again",
        otherwise="warning",
    )
    if model.specification.family in NETWORKS:
        yield _training(model.specification.family)


def _training(name: str) -> Check:
    try:
        graph(name)
    except RuntimeMissingError as missing:
        what = f"rounds are declined here until then, and recognising goes on; {missing}"
        return Check("federation", "training", "failed", f"a {name} cannot be trained here", what_to_do=what)
    return Check("federation", "training", "ok", f"a {name} can be trained here")

"""How a federation's set of gestures grows: what its owner accepts, and the lineage that begins with it.

Accepting is one commit; the lineage begins in another, when no round is open. Whatever dies in between, the
next start finds what was accepted and not yet begun.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from fedmotion.aggregator.federation_records import Federation, GestureRecord, ProposalRecord
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.models.growth import grown, with_activities
from fedmotion.models.specification import encode_specification
from fedmotion.protocol.gestures import check_gesture, check_sentence
from fedmotion.protocol.messages import GestureList, encode_message
from fedmotion.protocol.tensors import decode_own_arrays, encode_arrays

_MAX_SPECIFICATION_BYTES = 32_768


def gesture_list(store: FederationStore) -> GestureList:
    """Return the list as clients get it.

    Raises
    ------
    StoreError
        If the store holds no federation.
    """
    return GestureList(federation_id=_federation(store).federation_id, gestures=store.listed())


def accept(
    store: FederationStore, name: str, *, client_id: str | None = None, sentence: str | None = None
) -> ProposalRecord:
    """Take the proposed gesture `name` into the list, and answer all who proposed it.

    Parameters
    ----------
    client_id
        Whose sentence and example, where several propose it.
    sentence
        Another one instead.

    Raises
    ------
    ValueError
        If nobody proposes it, several do and none is chosen, or no model has that many classes.
    """
    chosen = _chosen(store, name, client_id)
    said = chosen.sentence if sentence is None else check_sentence(sentence)
    with store.transaction():
        for each in _open(store):
            if each.name == name:
                store.decide_proposal(each, "accepted")
        _add(store, GestureRecord(name, said, chosen.example))
    return chosen


def add(store: FederationStore, name: str, sentence: str) -> None:
    """Take a gesture into the list that nobody has proposed; who proposes it already is answered.

    Raises
    ------
    ValueError
        If the list has it, the name or sentence breaks a rule, or no model has that many classes.
    """
    gesture = GestureRecord(check_gesture(name), check_sentence(sentence), None)
    with store.transaction():
        for each in _open(store):
            if each.name == name:
                store.decide_proposal(each, "accepted")
        _add(store, gesture)


def decline(store: FederationStore, name: str, why: str, *, client_id: str | None = None) -> int:
    """Decline the proposals of `name`, or that of one client; return how many.

    Raises
    ------
    ValueError
        If nobody proposes it, or `why` is no sentence.
    """
    check_sentence(why)
    of = [each for each in _open(store) if each.name == name and client_id in {None, each.client_id}]
    if not of:
        raise ValueError(_nobody(store, name, client_id))
    with store.transaction():
        for each in of:
            store.decide_proposal(each, "declined", why)
    return len(of)


def describe(
    store: FederationStore, name: str, sentence: str | None, *, is_example_removed: bool = False
) -> GestureRecord:
    """Say what a gesture of the list is, or take its example away.

    Raises
    ------
    ValueError
        If the list has no such gesture, or the sentence breaks a rule.
    """
    listed = {each.name: each for each in store.listed()}
    if name not in listed:
        raise ValueError(f"the list has {', '.join(listed)}, got {name!r}")
    held = listed[name]
    record = GestureRecord(
        name,
        held.sentence if sentence is None else check_sentence(sentence),
        None if is_example_removed else held.example,
    )
    with store.transaction():
        store.put_gesture(record)
        _check_size(store)
    return record


def grow(store: FederationStore, lineage_id: UUID) -> Federation:
    """Begin the lineage `lineage_id` that learns what is wanted; its writes belong into a transaction.

    It starts from the released model, or from the round's where the newest lineage has released none yet.
    """
    federation = _federation(store)
    wanted = store.wanted()
    larger = with_activities(federation.specification, (*federation.specification.activities, *wanted))
    current = store.current_model()
    released = store.released_model()
    start = released if released is not None and released.lineage_id == current.lineage_id else current
    arrays = grown(federation.specification, decode_own_arrays(store.arrays_of(start)), larger)
    has_basis = store.progress(current.lineage_id).has_basis
    store.begin_lineage(lineage_id, encode_arrays(arrays), larger, has_basis=has_basis)
    return replace(federation, specification=larger)


def _add(store: FederationStore, gesture: GestureRecord) -> None:
    federation = _federation(store)
    if gesture.name in {each.name for each in store.listed()}:
        raise ValueError(f"the list has {gesture.name!r} already")
    store.put_gesture(gesture)
    activities = (*federation.specification.activities, *store.wanted())
    specification = encode_specification(with_activities(federation.specification, activities))
    if len(specification) > _MAX_SPECIFICATION_BYTES:
        raise ValueError(f"no model names {len(activities)} activities of these lengths: decline some")
    _check_size(store)


def _check_size(store: FederationStore) -> None:
    try:
        encode_message(gesture_list(store))
    except ValueError:
        raise ValueError(
            "the list would be longer than a message: shorten sentences, or take examples away with "
            "`fedmotion aggregator gestures describe NAME --no-example`"
        ) from None


def _chosen(store: FederationStore, name: str, client_id: str | None) -> ProposalRecord:
    of = [each for each in _open(store) if each.name == name and client_id in {None, each.client_id}]
    if not of:
        raise ValueError(_nobody(store, name, client_id))
    clients = sorted({each.client_id for each in of})
    if len(clients) > 1:
        raise ValueError(f"{name!r} is proposed by {', '.join(clients)}: choose whose words with --of")
    return of[-1]


def _open(store: FederationStore) -> Sequence[ProposalRecord]:
    return [each for each in store.proposals() if each.state == "open"]


def _nobody(store: FederationStore, name: str, client_id: str | None) -> str:
    names = sorted({each.name for each in _open(store)})
    who = "nobody proposes" if client_id is None else f"{client_id} does not propose"
    return f"{who} {name!r}; proposed are: {', '.join(names) or 'none'}"


def _federation(store: FederationStore) -> Federation:
    federation = store.federation()
    if federation is None:
        raise StoreError(f"{store.path} holds no federation yet: start the aggregator once")
    return federation

from uuid import UUID

import pytest

from fedmotion.delivery.presence import PresenceBook, is_overwritten, presence_message
from fedmotion.protocol.errors import MessageError

OLD, NEW = UUID(int=1), UUID(int=2)


def online(session: UUID, name: str = "anna") -> bytes:
    return presence_message(name, session, is_online=True)


def offline(session: UUID, name: str = "anna") -> bytes:
    return presence_message(name, session, is_online=False)


def test_a_client_comes_and_goes() -> None:
    book = PresenceBook()
    assert not book.is_online("anna")
    assert book.receive("anna", online(OLD))
    assert book.receive("ben", online(NEW, "ben"))
    assert book.online() == ("anna", "ben")
    assert not book.receive("anna", online(OLD))
    assert book.receive("anna", offline(OLD))
    assert book.online() == ("ben",)


def test_the_late_will_of_an_old_session_does_not_take_the_new_one_down() -> None:
    book = PresenceBook()
    book.receive("anna", online(OLD))
    assert not book.receive("anna", online(NEW))
    assert not book.receive("anna", offline(OLD))
    assert book.is_online("anna")
    assert book.receive("anna", offline(NEW))


def test_an_old_session_that_outlives_the_new_one_is_there_again() -> None:
    book = PresenceBook()
    for message in (online(OLD), online(NEW), offline(NEW)):
        book.receive("anna", message)
    assert not book.is_online("anna")
    assert book.receive("anna", online(OLD))
    assert book.is_online("anna")
    assert book.receive("anna", offline(OLD))
    assert not book.is_online("anna")


def test_a_repeated_word_of_an_old_session_does_not_replace_the_new_one() -> None:
    book = PresenceBook()
    for message in (online(OLD), online(NEW), online(OLD), offline(OLD)):
        book.receive("anna", message)
    assert book.is_online("anna")


def test_a_session_comes_back_after_its_own_will() -> None:
    book = PresenceBook()
    for message in (online(OLD), offline(OLD), online(OLD)):
        book.receive("anna", message)
    assert book.is_online("anna")


def test_a_cleared_presence_forgets_the_client() -> None:
    book = PresenceBook()
    book.receive("anna", online(OLD))
    assert book.receive("anna", b"")
    assert book.online() == ()


def test_the_name_must_be_that_of_the_topic() -> None:
    with pytest.raises(MessageError, match="topic of ben names anna"):
        PresenceBook().receive("ben", online(OLD))
    with pytest.raises(MessageError):
        PresenceBook().receive("ben", b"nonsense")


def test_a_client_sees_when_its_retained_presence_was_overwritten() -> None:
    assert not is_overwritten(online(NEW), "anna", NEW)
    assert is_overwritten(offline(OLD), "anna", NEW)
    assert is_overwritten(offline(NEW), "anna", NEW)
    assert is_overwritten(b"", "anna", NEW)
    assert is_overwritten(b"nonsense", "anna", NEW)

"""The configuration's sentences, and invitations there and back."""

import random
import re
import tomllib
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.invitations import broker_accounts, invite
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.protocol.configuration import build, describe, parse_toml
from fedmotion.protocol.invitation import Invitation, decode_invitation, encode_invitation


def decode_configuration(data: bytes) -> AggregatorConfiguration:
    name = "the aggregator's configuration"
    return build(AggregatorConfiguration, parse_toml(data, name), name).check()


LEAST = 'federation = "gestures"\nactivities = ["left", "right", "other"]\n'


def test_two_keys_are_enough() -> None:
    configuration = decode_configuration(LEAST.encode())
    assert configuration.deadline_s == 60.0
    assert configuration.specification().activities == ("left", "right", "other")
    assert configuration.rules(configuration.specification()).min_clients == 2
    assert configuration.train_settings(7).seed == 7


def test_a_network_is_specified_and_has_a_learning_rate_of_its_own() -> None:
    for model, learning_rate in (("pca_svm", 0.02), ("mlp", 0.1), ("cnn", 0.1)):
        configuration = AggregatorConfiguration(
            federation="home", activities=("left", "other"), model=model, seed=3
        ).check()
        assert configuration.specification().family == model
        assert configuration.specification().seed == 3
        assert configuration.train_settings(2).learning_rate == learning_rate
        given = msgspec.structs.replace(configuration, learning_rate=0.05)
        assert given.train_settings(2).learning_rate == 0.05


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("deadlines_s = 3", "there is no key 'deadlines_s': did you mean 'deadline_s'?"),
        ("colour = 3", "there is no key 'colour': the keys are federation, activities,"),
        ("deadline_s = 'soon'", "Expected `float`, got `str` - at `$.deadline_s`"),
        ("deadline_s = nan", "deadline_s is 0.1 to 604800, got nan"),
        ("deadline_s = 0", "deadline_s is 0.1 to 604800, got 0.0"),
        ("learning_rate = -1", "learning_rate is 0 to 1000, got -1.0"),
        ("model = 'rnn'", "model is one of pca_svm, mlp, cnn, got 'rnn'"),
        ("model = 'cnn'\nwindow_length = 50", "window_length of cnn is 96 samples"),
        ("model = 'cnn'\nn_fourier = 300", "n_fourier and is_calibrated are of pca_svm, a cnn has neither"),
        ("min_updates = 0", "min_updates is 1 to 1000, got 0"),
        ("min_clients = 1", "min_clients is at least min_updates, 2,"),
        ("quorum = 1", "quorum is 0 (all) or at least min_updates, 2, got 1"),
        (
            "quorum = 5\ncohort_size = 4",
            "0 (all) or at least quorum and min_updates, 5, got 4",
        ),
        ("strategy = 'median'", "strategy is one of fedavg, got 'median'"),
        ("store = ''", "store is the name of a file"),
        ("n_components = 500", "n_components is 1 to 108, the number of features, got 500"),
        ("port = 70000", "port is 1 to 65535, got 70000"),
        ("= 3", "the aggregator's configuration is not TOML"),
    ],
)
def test_what_may_not_be_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        decode_configuration((LEAST + text).encode())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the key 'federation' must be given"),
        ('federation = "Gestures"\nactivities = ["a", "other"]', "a federation's name is 1 to 32 of a-z"),
        ('federation = "gestures"\nactivities = ["a", "b"]', "activities are 'other' and at least one"),
        ("\xff", "is not TOML"),
    ],
)
def test_the_first_two_keys_are_checked_too(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode_configuration(text.encode("latin-1"))


def test_every_key_is_described() -> None:
    for key in describe(AggregatorConfiguration):
        assert len(key.description) > 10, key.name


INVITATION = Invitation(
    federation="gestures",
    federation_id=UUID(int=5),
    host="pi.example.org",
    port=1883,
    client_id="ann",
    password='q"\\u\t\x7fé',
)


def test_an_invitation_comes_back_from_its_file() -> None:
    text = encode_invitation(INVITATION)
    assert decode_invitation(text) == INVITATION
    assert tomllib.loads(text)["client_id"] == "ann"
    assert "fedmotion join FILE" in text


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("version = 1", "version = 2", "reads invitations of version 1, got 2"),
        ("port = 1883", "port = 0", "port is 1 to 65535, got 0"),
        ('client_id = "ann"', 'client_id = "Ann"', "a client id is 1 to 32 of a-z"),
        ('host = "pi.example.org"', 'host = ""', "host is a name or an address, got ''"),
        ("port = 1883", "port = 1883\ncolour = 3", "this is no invitation: .*unknown field `colour`"),
        ('client_id = "ann"', "", "this is no invitation: .*client_id"),
        ("version", "=", "this is no invitation"),
    ],
)
def test_what_is_no_invitation_says_so(old: str, new: str, sentence: str) -> None:
    text = encode_invitation(INVITATION)
    assert old in text
    with pytest.raises(ValueError, match=sentence):
        decode_invitation(text.replace(old, new))


def test_inviting_stores_the_client_for_the_brokers_accounts(tmp_path: Path) -> None:
    store = FederationStore(tmp_path / "store.sqlite")
    with pytest.raises(StoreError, match="holds no federation yet"):
        invite(store, "ann", "127.0.0.1", 1883)
    configuration = decode_configuration(LEAST.encode())
    open_federation(store, "gestures", configuration.specification(), random.Random(1))
    first = invite(store, "ann", "127.0.0.1", 1883)
    second = invite(store, "bob", "127.0.0.1", 1883, is_tls=True)
    assert first.password != second.password
    again = invite(store, "ann", "127.0.0.1", 1883)
    assert decode_invitation(encode_invitation(again)) == again
    accounts = broker_accounts(store, "own")
    assert [(each.username, each.role, each.password) for each in accounts] == [
        ("aggregator", "aggregator", "own"),
        ("ann", "client", again.password),
        ("bob", "client", second.password),
    ]
    with pytest.raises(ValueError, match="not called 'aggregator'"):
        invite(store, "aggregator", "127.0.0.1", 1883)
    with pytest.raises(ValueError, match="a client id is"):
        invite(store, "Ann", "127.0.0.1", 1883)
    assert "password" not in repr(accounts[0])
    store.close()

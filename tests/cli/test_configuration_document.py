from pathlib import Path

import msgspec
import pytest

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.recognise_configuration import RecogniseConfiguration
from fedmotion.protocol.configuration import describe

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.mark.parametrize("struct", [AgentConfiguration, RecogniseConfiguration, AggregatorConfiguration])
def test_every_key_stands_in_the_document_with_its_default_and_meaning(struct: type[msgspec.Struct]) -> None:
    rows = DOCUMENT.read_text("utf-8").splitlines()
    for key in describe(struct):
        default = (
            "must be given"
            if key.default is msgspec.NODEFAULT
            else f"`{msgspec.json.encode(key.default).decode()}`"
        )
        assert f"| `{key.name}` | {default} | {key.description} |" in rows

"""What the tests of several rooms share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real recordings, which are not part of the project.

    Absent, as on a user's machine, its tests are skipped; where CI is "true" they fail.
    """
    beside_checkout = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FEDMOTION_TEST_DATA", beside_checkout))
    if not folder.is_dir():
        text = f"no real recordings in {folder}: set FEDMOTION_TEST_DATA to their folder"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return folder

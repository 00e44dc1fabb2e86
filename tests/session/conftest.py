"""A session on a small volume with the fake engine."""

from collections.abc import Iterator

import numpy as np
import pytest

from sparseseg.data.volume import Volume
from sparseseg.session import Session
from tests.session.ear import Ear


@pytest.fixture
def volume() -> Volume:
    image = np.arange(6 * 8 * 8, dtype=np.uint16).reshape(6, 8, 8)
    return Volume.from_array(image, spacing=(2.0, 1.0, 1.0), unit="um")


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session(engine="tests.session.fake_engine")
    yield session
    session.close()


@pytest.fixture
def ear(session: Session) -> Ear:
    return Ear(session.events)

"""What stands in for a session in the tests has its methods, and asks for the same."""

import inspect

from sparseseg.session import Session
from tests.widgets.fake_session import FakeSession

_OF_THE_FAKE = {"becomes", "paints", "called", "learns"}


def public(kind: type) -> dict[str, object]:
    return {
        name: member for name, member in vars(kind).items() if not name.startswith("_")
    }


def test_the_fake_session_has_the_methods_of_the_real_one() -> None:
    real, fake = public(Session), public(FakeSession)
    methods = {name for name, member in real.items() if inspect.isfunction(member)}
    assert {n for n, m in fake.items() if inspect.isfunction(m)} == (
        methods | _OF_THE_FAKE
    )
    for name in methods:
        signatures = [inspect.signature(kind[name]) for kind in (real, fake)]
        first, second = ([*s.parameters.values()] for s in signatures)
        assert [(p.name, p.kind, p.default) for p in first] == [
            (p.name, p.kind, p.default) for p in second
        ], name


def test_the_fake_session_knows_of_its_model_what_the_real_one_does() -> None:
    real = Session(engine="tests.session.fake_engine")
    try:
        for name in ("has_model", "is_saved", "phase", "current"):
            assert getattr(real, name) == getattr(FakeSession(), name)
    finally:
        real.close()

import threading

from qtpy.QtCore import QThread
from qtpy.QtWidgets import QApplication

from sparseseg.session.events import Phase, StepReport
from sparseseg.widgets.relay import Relay
from tests.widgets.fake_session import FakeSession


def test_every_event_of_a_session_is_repeated(qapp):
    session = FakeSession()
    relay = Relay(session.events)

    missing = [name for name in session.events.signals if not hasattr(relay, name)]

    relay.close()
    assert not missing


def test_slots_run_in_the_main_thread(qtbot):
    session = FakeSession()
    relay = Relay(session.events)
    threads = []
    relay.step.connect(lambda _: threads.append(QThread.currentThread()))
    report = StepReport(1, 0.5, 0.25)

    emitter = threading.Thread(target=session.events.step.emit, args=(report,))
    with qtbot.waitSignal(relay.step) as heard:
        emitter.start()
    emitter.join()
    relay.close()

    assert heard.args == [report]
    assert threads == [QApplication.instance().thread()]


def test_a_closed_relay_is_silent(qtbot):
    session = FakeSession()
    relay = Relay(session.events)
    relay.close()
    relay.close()

    with qtbot.assertNotEmitted(relay.phase):
        session.becomes(Phase.TRAINING)

import pytest

from sparseseg.errors import UserError
from sparseseg.widgets import messages as message_module


def test_messages_are_shown_newest_first_and_at_most_three(messages):
    for text in ("one", "two", "three", "four"):
        messages.note(text)

    assert messages.texts == ("four", "three", "two")
    assert not messages.isHidden()


def test_the_same_message_is_shown_once(messages):
    messages.error("one")
    messages.error("two")
    messages.error("one")

    assert messages.texts == ("one", "two")


def test_a_dismissed_message_goes_and_the_last_hides_the_area(messages):
    messages.error("one")

    messages.cards[0].dismiss.click()

    assert messages.texts == ()
    assert messages.isHidden()


def test_a_confirmation_goes_by_itself_and_an_error_stays(messages, qtbot, monkeypatch):
    monkeypatch.setattr(message_module, "_CONFIRM_MS", 1)
    messages.error("stays")

    messages.confirm("goes")

    qtbot.waitUntil(lambda: messages.texts == ("stays",))


def test_what_the_user_can_mend_is_told_in_its_own_words(messages):
    with messages.catching():
        raise UserError("Paint on a slice first.")

    assert messages.texts == ("Paint on a slice first.",)


def test_our_own_bug_is_told_without_a_traceback_and_logged(messages, caplog):
    with messages.catching():
        raise ZeroDivisionError("division by zero")

    assert "Traceback" not in messages.texts[0]
    assert "division by zero" in caplog.text


def test_an_offer_acts_once_and_goes(messages):
    done = []
    messages.offer("An annotation was kept.", "Recover", lambda: done.append(1))

    messages.cards[0].button.click()

    assert done == [1]
    assert messages.texts == ()


def test_a_failing_offer_is_told(messages):
    def fail() -> None:
        raise UserError("The copy is damaged.")

    messages.offer("An annotation was kept.", "Recover", fail)
    messages.cards[0].button.click()

    assert messages.texts == ("The copy is damaged.",)


@pytest.mark.parametrize("level", ["error", "warning", "note"])
def test_the_level_says_how_it_looks(messages, level):
    getattr(messages, level)("text")

    assert messages.cards[0].property("level") == level

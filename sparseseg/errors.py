"""What a user is told: the error to act on, and the note to know of.

Both hold a template and its values. They become a text where they are shown, in the
language that is spoken there.
"""

from sparseseg.language import say


class _Told(Exception):  # noqa: N818  # the base of a warning as well
    """A template with values; without values the template is the text."""

    def __init__(self, template: str = "", /, **values: object) -> None:
        super().__init__(template)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return say(self.template, **self.values)


class UserError(_Told):
    """Say in one sentence what is wrong, with the value, and how to mend it."""


class Note(_Told, UserWarning):
    """Say in one sentence what was decided for the user, who may want it otherwise.

    Given by `warnings.warn`: Python shows it, and the command line prints it as a line.
    """

"""What a user is told: the error to act on, and the note to know of."""


class UserError(Exception):
    """Say in one sentence what is wrong, with the value, and how to mend it."""


class Note(UserWarning):
    """Say in one sentence what was decided for the user, who may want it otherwise.

    Given by `warnings.warn`: Python shows it, and the command line prints it as a line.
    """

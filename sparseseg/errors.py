"""The error that a user can mend."""


class UserError(Exception):
    """Say in one sentence what is wrong, with the value, and how to mend it."""

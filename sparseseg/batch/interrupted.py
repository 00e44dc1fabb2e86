"""What ends a batch that the same command goes on from."""

from sparseseg.errors import UserError


class BatchInterruptedError(UserError):
    """The whole batch cannot go on now, whatever the volume."""

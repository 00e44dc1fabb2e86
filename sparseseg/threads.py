"""How the threads of torch wait for each other."""

import os


def let_threads_sleep() -> None:
    """Let threads of torch sleep where they wait, in processes that begin from now on.

    By default they spin. While another program has a core, as napari does beside a
    training, one thread spins until the other one is given its turn: two threads were ten
    times slower than one. On a machine that does nothing else, waking up costs about a
    quarter. What the user has set stays. It has no effect on a process that has loaded
    torch.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

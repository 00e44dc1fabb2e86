"""How many places and slices a person is shown, where no other number is asked for."""

PLACES = 12
"""Doubtful places, which are looked at one by one."""
SLICES = 3
"""Slices to annotate next."""

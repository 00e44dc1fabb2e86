"""Which models there are to be had, which are here, and how they get here."""

"""Models that are there: an index, a folder of them, and readers of other makers' files."""

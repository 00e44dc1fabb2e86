"""Volumes, annotations and their files: NumPy only, no torch."""

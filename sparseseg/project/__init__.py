"""The user's work as a folder: volumes, annotations with their journal, models."""

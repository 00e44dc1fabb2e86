"""The napari dock: the only part that knows napari and Qt."""

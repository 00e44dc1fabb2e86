"""What a layer knows of the file it came from, kept in the layer's metadata."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseseg.data.anatomy import Anatomy, anatomy_of
from sparseseg.data.formats.nifti import tells_orientation
from sparseseg.data.on_disk import OnDisk
from sparseseg.data.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sparseseg.data.units import Spacing

FACTS = "sparseseg file"
"""Where the metadata of a layer holds its `FileFacts`."""


@dataclass(frozen=True, slots=True, eq=False)
class FileFacts:
    """Voxel size and orientation as a file says them; all else is in the layer."""

    path: Path | None
    spacing: "Spacing"
    unit: str
    affine: "NDArray[np.float64] | None" = None
    header: bytes = b""
    origin: str = ""
    channel_names: tuple[str, ...] = ()
    stored: OnDisk | None = None
    """The voxels, where they stay on disk, """
    shown_as: str = ""
    """and the name of the Dask array that reads them for a layer."""

    @classmethod
    def of(cls, volume: Volume, path: Path | None = None) -> "FileFacts":
        """Take the facts of a volume that was read from a file."""
        return cls(
            path,
            volume.spacing,
            volume.unit,
            volume.affine,
            volume.header,
            volume.origin,
            volume.channel_names,
        )

    def behind(self, shown: Any) -> OnDisk | None:
        """Return the voxels on disk that an array of a layer reads, unchanged."""
        return self.stored if self.shown_as == getattr(shown, "name", None) else None

    @property
    def anatomy(self) -> Anatomy | None:
        """How the axes lie in a patient, if the file says so."""
        if self.affine is None or (self.header and not tells_orientation(self.header)):
            return None
        return anatomy_of(self.affine)

    def place(self, volume: Volume) -> Volume:
        """Return a volume with this orientation, and with its own voxel size.

        Where that is another than the file's, header and origin are left out: they
        would say the old one.
        """
        if self.affine is None:
            return volume
        is_same = volume.unit == self.unit and np.allclose(volume.spacing, self.spacing)
        stretch = np.array(volume.spacing) / self.spacing
        return Volume(
            volume.array,
            volume.spacing,
            volume.unit,
            affine=self.affine @ np.diag([*stretch[::-1], 1.0]),
            name=volume.name,
            channel_names=volume.channel_names,
            header=self.header if is_same else b"",
            origin=self.origin if is_same else "",
        )


def facts_in(metadata: "Mapping[str, Any]") -> FileFacts | None:
    """Return the facts that a layer's metadata holds."""
    found = metadata.get(FACTS)
    return found if isinstance(found, FileFacts) else None

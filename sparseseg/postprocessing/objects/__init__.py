"""From classes to single objects: told apart, measured, and as surfaces."""

from sparseseg.postprocessing.objects.instances import find_objects
from sparseseg.postprocessing.objects.measurements import Measurements, measure
from sparseseg.postprocessing.objects.meshes import Mesh, mesh_of
from sparseseg.settings.objects import MeshSettings, ObjectSettings

__all__ = [
    "Measurements",
    "Mesh",
    "MeshSettings",
    "ObjectSettings",
    "find_objects",
    "measure",
    "mesh_of",
]

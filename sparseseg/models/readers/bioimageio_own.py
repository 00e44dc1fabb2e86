"""A package that sparseseg wrote: the model as it was, not as a stranger's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sparseseg.engine.model import FORMAT, Model
from sparseseg.models.readers.bioimageio_files import checked
from sparseseg.models.readers.unpickling import read_checkpoint
from sparseseg.models.whole import NETWORK, block_network


def own_model(folder: Path, described: Mapping[str, Any]) -> Model | None:
    """Read a package whose network is ours; None for any other.

    The function that the package names is compared with ours, not looked up. Raises
    `UserError` for what is damaged.
    """
    state = described["weights"].get("pytorch_state_dict") or {}
    architecture = state.get("architecture")
    if not isinstance(architecture, Mapping) or not _is_ours(architecture):
        return None
    path, arguments = checked(folder, state), architecture["kwargs"]
    tensors = {
        name.removeprefix(NETWORK): value
        for name, value in read_checkpoint(path).items()
        if name.startswith(NETWORK)
    }
    tensors["views"] = torch.tensor([float(share) for share in arguments["views"]])
    said = described["config"]["sparseseg"]
    history = {**said["history"], "without_annotation": arguments["method"]}
    return Model.rebuilt(
        {**said, "format": FORMAT, "plan": arguments["plan"], "history": history},
        tensors,
        name=path.name,
    )


def _is_ours(architecture: Mapping[str, Any]) -> bool:
    ours = block_network.__module__, block_network.__name__
    return (architecture.get("import_from"), architecture.get("callable")) == ours

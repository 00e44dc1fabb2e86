"""The model of a batch: made ready by the settings, and the hash that it is known by."""

import hashlib
import json

from sparseseg.batch.settings import BatchSettings
from sparseseg.engine.model import Model
from sparseseg.engine.segment import tile_memory
from sparseseg.engine.tiling import tile_within
from sparseseg.memory import check_memory
from sparseseg.postprocessing import chosen_rules, read_rules


def prepare(model: Model, settings: BatchSettings) -> str:
    """Choose options and rules of a model; return a hash of all that its results follow.

    Raises `UserError` for options, rules and memory that do not fit the model.
    """
    check_memory(settings.bytes)
    model.choose(settings.options)
    model.rules = chosen_rules(settings.clean, model.rules)
    read_rules(model.rules, model.table)
    tile_within(model, (1, 1, 1), tile_memory(settings.bytes), model.plan.spacing)
    return _hash(model, settings)


def _hash(model: Model, settings: BatchSettings) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    plain = {"plan": model.plan.to_json(), "classes": model.table.to_json()}
    chosen = {"clean": list(model.rules), "uncertainty": settings.uncertainty}
    digest.update(json.dumps({**plain, **chosen}, sort_keys=True).encode())
    return digest.hexdigest()

import pytest

from sparseseg.models.store import download, remote_zip
from tests.models.store.server import serving


@pytest.fixture
def site():
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(remote_zip, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(download, "_CHUNK", 1000)
    monkeypatch.setenv("SPARSESEG_MODEL_DIR", str(tmp_path / "store"))
    monkeypatch.delenv("SPARSESEG_OFFLINE", raising=False)

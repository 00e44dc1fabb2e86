import os
import subprocess
import sys

from sparseseg.threads import let_threads_sleep


def test_processes_that_begin_from_now_on_let_threads_sleep(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    let_threads_sleep()
    told = [sys.executable, "-c", "import os; print(os.environ['OMP_WAIT_POLICY'])"]
    assert subprocess.check_output(told, text=True).strip() == "PASSIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"

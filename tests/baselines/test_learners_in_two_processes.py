"""Prompt learners under plain `ddp`, against one process with the same global batches."""

import os
import subprocess
import sys

import pytest
import torch
import two_learners


@pytest.fixture(scope="module")
def alone(toy_root, vivid_clip, tmp_path_factory):
    """What one process writes."""
    out = tmp_path_factory.mktemp("alone")
    two_learners.run(toy_root, vivid_clip, out, 1)
    return out


@pytest.fixture(scope="module")
def together(toy_root, vivid_clip, tmp_path_factory, session_cache):
    """What two processes write."""
    out, environment = tmp_path_factory.mktemp("together"), dict(os.environ)
    for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    environment |= {"AAPE_CACHE": str(session_cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, two_learners.__file__, str(toy_root), str(vivid_clip), str(out), "2"]
    done = subprocess.run(command, env=environment, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "find_unused_parameters" not in done.stderr
    return out


@pytest.mark.parametrize("name", two_learners.LEARNERS)
def test_two_processes_end_where_one_does(name, alone, together):
    expected = torch.load(alone / f"{name}-0.pt")
    assert "context" in expected["weights"]
    for rank in (0, 1):
        found = torch.load(together / f"{name}-{rank}.pt")
        assert found["tested"] == expected["tested"]
        for key, tensor in expected["weights"].items():
            torch.testing.assert_close(found["weights"][key], tensor, rtol=1e-4, atol=1e-5)

"""What is large lies in files on a CPU; a device without room for it is an error that says what to do."""

import errno
import os
import re

import pytest
import torch
from aape_lightning.data import memory
from aape_lightning.data.memory import empty_beside, to_device
from aape_lightning.errors import DataError


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(memory, "_PRIVATE", 1000)
    return torch.randn(64, 2, 8)


def mapped_from(folder):
    with open("/proc/self/maps") as maps:
        return [line for line in maps if str(folder) in line]


def test_a_small_one_is_in_memory(tmp_path):
    made = empty_beside(torch.zeros(3, 1, 4), tmp_path / "cache")
    assert made.shape == (3, 1, 4)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_large_one_is_a_file_without_a_name_that_goes_with_it(dtype, large, tmp_path):
    stored = large.to(dtype)
    made = empty_beside(stored, tmp_path / "cache")
    made.copy_(stored)
    assert (made.shape, made.dtype) == (stored.shape, dtype)
    assert torch.equal(made[torch.tensor([3, 60, 3])], stored[[3, 60, 3]])
    assert list((tmp_path / "cache").iterdir()) == []
    if os.path.isfile("/proc/self/maps"):
        assert mapped_from(tmp_path / "cache")
        del made
        assert not mapped_from(tmp_path / "cache")


def test_a_full_disk_is_known_at_once(large, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DataError, match=rf"{re.escape(repr(str(tmp_path)))} cannot hold 0\.0 GB.*--data\.cache_dir"):
        empty_beside(large, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_reserve_room_holds_it_all_the_same(code, large, tmp_path, monkeypatch):
    asked = []

    def unable(*arguments):
        asked.append(arguments)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    made = empty_beside(large, tmp_path)
    made.copy_(large)
    assert asked
    assert torch.equal(made, large)


def test_a_full_device_is_an_error_that_says_what_to_do(monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    stored = torch.zeros(3, 1, 4)
    monkeypatch.setattr(torch.Tensor, "to", full)
    with pytest.raises(DataError, match=r"^cpu has no room for 0\.0 GB.*--data\.views.*--trainer\.accelerator cpu"):
        to_device(stored, torch.device("cpu"))
    monkeypatch.setattr(torch, "empty_like", full)
    with pytest.raises(DataError, match=r"^cpu has no room for 0\.0 GB"):
        empty_beside(stored, tmp_path)


def test_on_a_cpu_a_store_stays_where_it_is():
    stored = torch.zeros(3, 1, 4)
    assert to_device(stored, torch.device("cpu")).data_ptr() == stored.data_ptr()

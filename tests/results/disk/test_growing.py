"""A tensor that grows on the disk is, once closed, what any reader of safetensors reads."""

import pytest
import torch
from safetensors.torch import load_file

from pellucid.results.disk.growing import CODES, GrowingTensor, mapped


@pytest.mark.parametrize("dtype", list(CODES), ids=str)
@pytest.mark.parametrize("row", [(), (3,), (2, 3)])
def test_rows_that_were_appended_are_read_back(dtype, row, tmp_path):
    values = torch.randint(0, 2, (7, *row), generator=torch.Generator().manual_seed(0)).to(dtype)
    file = GrowingTensor(tmp_path / "t.safetensors", dtype, row)
    file.keep(0)
    file.append(values[:3])
    file.append(values[:1])
    assert torch.equal(file.read(4), values[[0, 1, 2, 0]])
    file.keep(3)  # what came behind is cut off
    file.append(values[3:])
    file.close(7)
    assert torch.equal(load_file(file.path)["values"], values)
    assert torch.equal(mapped(file.path), values)


def test_without_rows(tmp_path):
    file = GrowingTensor(tmp_path / "t.safetensors", torch.float32, (4,))
    file.keep(0)
    file.close(0)
    assert mapped(file.path).shape == file.read(0).shape == (0, 4)

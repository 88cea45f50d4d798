"""A contrastive loss in several processes: what each returns, and the gradients that DDP would average."""

import torch
import torch.distributed as dist
from aape_lightning.modules import contrastive_loss
from aape_lightning.modules.gathering import gather_rows, own_rows
from torch import nn
from torch.nn import functional as F

B, D = 8, 6


def model():
    """Two small towers and a logit scale, the same in every process."""
    torch.manual_seed(0)
    return nn.ParameterDict({"image": torch.randn(D, D), "text": torch.randn(D, D), "scale": torch.tensor(7.0)})


def batch():
    """The global batch."""
    torch.manual_seed(1)
    return torch.randn(B, D), torch.randn(B, D)


def loss_and_gradients(rows):
    """The loss of some rows of the batch, and its gradients; of all processes where there are several."""
    parameters, (images, texts) = model(), batch()
    queries = F.normalize(images[rows] @ parameters["image"], dim=-1)
    captions = F.normalize(texts[rows] @ parameters["text"], dim=-1)
    loss = contrastive_loss(queries, captions, parameters["scale"])
    loss.backward()
    return loss.item(), {name: parameter.grad for name, parameter in parameters.items()}


def process(rank, processes, folder):
    """One process: its rows of the batch, dealt as TrainSampler deals them."""
    store = dist.FileStore(f"{folder}/store", processes)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=processes)
    loss, gradients = loss_and_gradients(slice(rank, None, processes))
    rows = torch.full((2, 3), float(rank))
    found = {"loss": loss, "gradients": gradients, "rows": gather_rows(rows), "own": own_rows(rows)}
    frozen = gather_rows(rows).requires_grad
    torch.save(found | {"frozen": frozen}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()

import pytest
import torch
from aape_lightning.backbones import load_backbone

# What makes a trained task: weights as random as a trained one's are not, so that no term of a head vanishes.
NAMES = ["red car", "blue boat", "green tree"]


@pytest.fixture(scope="session")
def saved_of():
    """Makes a `SavedTask` of random weights on a backbone; keywords are the task's hyper-parameters."""
    from aape_lightning.inference import SavedTask
    from aape_lightning.inference.registry import new_task

    def make(backbone, task="ClassificationTask", **settings):
        given = {"backbone_spec": dict(backbone.spec), "distillation_weight": 0.0} | settings
        torch.manual_seed(0)
        built = new_task(task, given)
        weights = {name: torch.randn_like(tensor) * 0.1 for name, tensor in built.state_dict().items()}
        recorded = {"dataset": "toy", "class_names": NAMES, "class_text": "a photo of a {}."}
        recorded |= {"templates": ["a photo of a {}."]}
        embeddings = torch.nn.functional.normalize(torch.randn(3, backbone.embed_dim), dim=-1)
        if task != "ClassificationTask":
            return SavedTask(task, given, weights, {"dataset": "toy"})
        return SavedTask(task, given, weights, recorded, {"class_embeddings": embeddings})

    return make


@pytest.fixture(scope="session")
def saved(saved_of, tiny_backbone):
    return saved_of(tiny_backbone)


@pytest.fixture(scope="session")
def shapes_backbone():
    return load_backbone("shapes-tiny")


@pytest.fixture
def shared_folder(saved, tmp_path):
    """A folder as `write_folder` leaves it."""
    from aape_lightning.inference.folder import write_folder

    write_folder(saved, tmp_path / "shared")
    return tmp_path / "shared"

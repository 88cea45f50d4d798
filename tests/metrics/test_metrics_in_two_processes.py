import json

import pytest
import torch
from aape_lightning.metrics import CaptionScores, ClassifierOutcomes, VQAAccuracy, caption_scores, vqa_scores

CAPTIONS = {0: "a dog runs", 1: "two cats", 2: "a man walks"}
REFERENCES = {0: ["the dog runs fast"], 1: ["two cats sleep"], 2: ["a man", "one man walks"]}
ANSWERS = [["2"] * 3 + ["3"] * 7, ["yes"] * 10, ["dog", "dogs"] * 5]
PREDICTIONS = ["two", "yes", "cat"]
LOGITS, LABELS = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]]), torch.tensor([1, 1])
GROUPS = [["answer_type/number"], ["answer_type/yes/no"], []]


def score(rank, folder):
    """What one of two processes finds; the first sees two images, one of which the second sees as well."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    captions = CaptionScores(REFERENCES, tokenizer="simple")
    answers = VQAAccuracy({name for names in GROUPS for name in names})
    for position in ([0, 1], [1, 2])[rank]:
        captions.update(torch.tensor([position]), [CAPTIONS[position]])
    for k in ([0, 2], [1])[rank]:
        answers.update(PREDICTIONS[k : k + 1], ANSWERS[k : k + 1], GROUPS[k : k + 1])
    outcomes = ClassifierOutcomes(3)
    if rank == 0:  # the other one has no image
        outcomes.update(LOGITS, LOGITS.argmax(1), LABELS)
    found = {"captions": captions.compute(), "answers": answers.compute(), "outcomes": outcomes.outcomes()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


def test_two_processes_find_what_one_does(tmp_path):
    torch.multiprocessing.spawn(score, (tmp_path,), nprocs=2)
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found["captions"] == pytest.approx(caption_scores(CAPTIONS, REFERENCES, tokenizer="simple"))
        alone = ClassifierOutcomes(3)
        alone.update(LOGITS, LOGITS.argmax(1), LABELS)
        assert found["outcomes"] == json.loads(json.dumps(alone.outcomes()))
        assert found["answers"] == vqa_scores(PREDICTIONS, ANSWERS, GROUPS)

"""Prompt learners as plain loops over images and classes through the full context; and what a real run did."""

import torch
from lightning.pytorch import Callback

WORDS = ["red car", "Blue Boat", "green tree", "yellow sun", "grey stone"]  # the toy classes as texts say them


def plain_feature(backbone, text, context):
    """The unit-norm embedding of one text with its first words replaced by a context, through CLIP's own modules."""
    model, tokens = backbone.model, backbone.tokenize([text])[0]
    x = model.token_embedding(tokens)
    x = torch.cat([x[:1], context, x[1 + len(context) :]]) + model.positional_embedding
    x = model.ln_final(model.transformer(x[:, None])[:, 0])
    feature = x[tokens.argmax()] @ model.text_projection
    return feature / feature.norm()


def plain_logits(backbone, images, contexts, names=WORDS):
    """exp(scale) cos(x, w): each image with its own context, one class after the other."""
    rows = []
    for image, context in zip(images, contexts, strict=True):
        placeholders = "a " * len(context)
        features = [plain_feature(backbone, f"{placeholders}{name}.", context) for name in names]
        rows.append(torch.stack([backbone.model.logit_scale.exp() * (image @ w) for w in features]))
    return torch.stack(rows)


def plain_cross_entropy(logits, label):
    losses = [row.exp().sum().log() - row[y] for row, y in zip(logits, label.tolist(), strict=True)]
    return sum(losses) / len(losses)


class Steps(Callback):
    """The batch, the parameters, the gradients, the loss and the learning rate of every training step, and the end."""

    def __init__(self):
        self.steps = []

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        before = {name: parameter.detach().clone() for name, parameter in task.named_parameters()}
        self.steps.append({"batch": batch, "before": before, "lr": trainer.optimizers[0].param_groups[0]["lr"]})

    def on_before_optimizer_step(self, trainer, task, optimizer):
        self.steps[-1]["gradients"] = {name: p.grad.detach().clone() for name, p in task.named_parameters()}

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        self.steps[-1]["loss"] = outputs["loss"].detach().clone()
        self.steps[-1]["epoch"] = trainer.current_epoch


def plain_gradients(logits, label, parameters):
    """The cross-entropy's gradient by each parameter, sum over classes of (p_c - y_c) dl_c, mean over images.

    Beside each the largest of the p_c dl_c and y_c dl_c that it is the difference of: rounding is relative to these.
    """
    sums, largest = [torch.zeros_like(parameter) for parameter in parameters], [0.0 for _ in parameters]
    for row, y in zip(logits, label.tolist(), strict=True):
        for c, (logit, p) in enumerate(zip(row, row.detach().softmax(0), strict=True)):
            for k, slope in enumerate(torch.autograd.grad(logit, parameters, retain_graph=True)):
                sums[k] += (p - float(c == y)) * slope / len(label)
                largest[k] = max(largest[k], float((p + float(c == y)) * slope.abs().max()))
    return zip(sums, largest, strict=True)


def assert_close(ours, theirs, scale=None):
    """Equal to 1e-5 of the largest entry of `theirs`, or of what it is the sum of."""
    largest = float(theirs.detach().abs().max()) if scale is None else scale
    torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=1e-5 * largest)

"""A language model on this machine, through transformers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aape_lightning.errors import LanguageModelError, PromptError, reason
from aape_lightning.language import load_language_model
from aape_lightning.prompts.generation.requests import CHAT_STYLE, Answer, Outcome, Record, Reply, Request, Sampling

__all__ = ["LocalModel"]


class LocalModel:
    """A causal language model of transformers; it is loaded when it is asked, onto the GPU where there is one.

    Args:
        name: A folder that holds model and tokenizer, or a name of the Hugging Face Hub.
        batch: Answers that are written at once.
    """

    def __init__(self, name: str, batch: int = 8) -> None:
        self.name = name
        self._batch = batch

    def ask(self, wanted: Sequence[tuple[Request, int]], sampling: Sampling, record: Record) -> Outcome:
        """Ask, as `LLM.ask`; each answer is a reply of its own.

        Raises:
            PromptError: If the model is not found or cannot be loaded.
        """
        tokenizer, model = _load(self.name)
        requests = [request for request, count in wanted for _ in range(count)]
        for start in range(0, len(requests), self._batch):
            batch = requests[start : start + self._batch]
            for request, reply in zip(batch, _replies(tokenizer, model, batch, sampling), strict=True):
                record(request, reply)
        return Outcome()


def _replies(tokenizer: Any, model: Any, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:  # noqa: ANN401
    import torch

    has_template = tokenizer.chat_template is not None
    texts = [_as_chat(tokenizer, request.question) if has_template else request.question for request in requests]
    # A chat template writes the special tokens itself.
    inputs = tokenizer(
        texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=not has_template
    ).to(model.device)
    # As servers draw: from the whole distribution, whatever a model's own generation settings say.
    drawing = {"temperature": sampling.temperature, "top_p": 1.0, "top_k": 0} if sampling.temperature else {}
    with torch.inference_mode():
        tokens = model.generate(
            **inputs,
            max_new_tokens=sampling.max_tokens,
            do_sample=sampling.temperature > 0,
            pad_token_id=tokenizer.pad_token_id,
            **drawing,
        )
    written = tokens[:, inputs["input_ids"].shape[1] :].tolist()
    ends = _end_tokens(model)
    for asked, answer in zip(inputs["attention_mask"].sum(dim=1).tolist(), written, strict=True):
        length = next((place for place, token in enumerate(answer) if token in ends), len(answer))
        finish = "stop" if length < len(answer) else "length"
        text = tokenizer.decode(answer[:length], skip_special_tokens=True)
        yield Reply([Answer(text, finish)], tokens_in=asked, tokens_out=length)


def _as_chat(tokenizer: Any, question: str) -> str:  # noqa: ANN401
    message = {"role": "user", "content": f"{question}\n{CHAT_STYLE}"}
    text: str = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    return text


def _end_tokens(model: Any) -> set[int]:  # noqa: ANN401
    ends = model.generation_config.eos_token_id
    return set() if ends is None else set(ends) if isinstance(ends, list) else {ends}


def _load(name: str) -> tuple[Any, Any]:
    """Tokenizer and model, as the model's own files hold its weights."""
    import torch

    try:
        loaded = load_language_model(name, dtype="auto")
    except LanguageModelError as error:
        where = "is neither a folder nor in the cache of the Hugging Face Hub, and could not be downloaded"
        if Path(name).is_dir():
            where = "is a folder without a causal language model and its tokenizer"
        raise PromptError(
            f"The language model {name!r} (--local) {where} ({reason(error)}). Where there is a network, get one with: "
            "hf download OWNER/MODEL --local-dir FOLDER; then name it: --local FOLDER."
        ) from error
    return loaded.tokenizer, loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")

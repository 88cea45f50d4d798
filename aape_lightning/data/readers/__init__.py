"""Readers: a dataset's files, whatever their form, as its three parts."""

from aape_lightning.data.readers.captions import CaptionedImage, read_caption_split
from aape_lightning.data.readers.questions import Question, read_question_split
from aape_lightning.data.readers.split import read_split

__all__ = ["CaptionedImage", "Question", "read_caption_split", "read_question_split", "read_split"]

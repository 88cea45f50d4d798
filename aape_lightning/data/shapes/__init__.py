"""The shapes world, the embedded default: procedural scenes with captions, classes, sentences and drawing styles."""

from aape_lightning.data.shapes.captions import caption
from aape_lightning.data.shapes.classes import CLASS_NAMES, class_look
from aape_lightning.data.shapes.described import shapes_captions
from aape_lightning.data.shapes.questions import AnsweredQuestion, shapes_questions
from aape_lightning.data.shapes.render import render
from aape_lightning.data.shapes.scene import Scene, Thing, relation, sample_scene
from aape_lightning.data.shapes.sentences import sentence_truth, shapes_sentences
from aape_lightning.data.shapes.vocabulary import BACKGROUNDS, COLOURS, RARE_WORDS, SHAPES, SIZES, STYLES, TEXTURES
from aape_lightning.data.shapes.world import open_shapes_image, shapes_scene, shapes_split

__all__ = [
    "BACKGROUNDS",
    "CLASS_NAMES",
    "COLOURS",
    "RARE_WORDS",
    "SHAPES",
    "SIZES",
    "STYLES",
    "TEXTURES",
    "AnsweredQuestion",
    "Scene",
    "Thing",
    "caption",
    "class_look",
    "open_shapes_image",
    "relation",
    "render",
    "sample_scene",
    "sentence_truth",
    "shapes_captions",
    "shapes_questions",
    "shapes_scene",
    "shapes_sentences",
    "shapes_split",
]

"""Frozen extractors: pictures in, an embedding and layers of neurons out."""

from audit.extractors._calibration import calibrate, thinned
from audit.extractors.base import (
    Extractor,
    ExtractorInfo,
    ExtractorSpec,
    Features,
    InputSpec,
    Layer,
    TextEncoder,
    temperature_of,
)
from audit.extractors.registry import (
    Scheme,
    describe_extractors,
    embeds_text,
    forget_ranges,
    keep_ranges,
    load_extractor,
    model_file,
    resolve_spec,
)

__all__ = [
    "Extractor",
    "ExtractorInfo",
    "ExtractorSpec",
    "Features",
    "InputSpec",
    "Layer",
    "Scheme",
    "TextEncoder",
    "calibrate",
    "describe_extractors",
    "embeds_text",
    "forget_ranges",
    "keep_ranges",
    "load_extractor",
    "model_file",
    "resolve_spec",
    "temperature_of",
    "thinned",
]

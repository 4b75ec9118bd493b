"""Prepare: what the analyses of an audit share is made once, before they run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from audit.analyses.base import Need
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.kept import pairs_to_tables
from audit.errors import ConfigError, ExtractorError
from audit.extractors import TextEncoder, temperature_of
from storage.parquet import vectors_array, write_table
from storage.records import Outcome
from workers.context import StepContext
from workers.steps import parts
from workers.steps.measuring import unit_vectors
from workers.steps.params import CopiesParams, PrepareParams, TextsParams, ThroughParams
from workers.translating import write_judged
from workers.views import NODES, PAIRS, TEXTS, load_view


def run(context: StepContext) -> Outcome:
    """Do one step of the stage, whichever it is."""
    params = PrepareParams.model_validate(context.step.params).root
    outcome = Outcome(artefact_kind=params.kind, artefact=params.fingerprint)
    artefacts = context.runtime.artefacts
    if artefacts.find_sound(params.kind, params.fingerprint):
        return outcome
    with artefacts.workspace() as folder:
        if isinstance(params, CopiesParams):
            _search(context, params, folder)
        elif isinstance(params, TextsParams):
            _embed_texts(context, params, folder)
        elif isinstance(params, ThroughParams):
            with context.runtime.single_threaded():
                write_judged(artefacts, params, folder)
        else:
            parts.embed(context, params, folder)
        context.check()
        files = {path.name: path for path in sorted(folder.iterdir())}
        made_of = params.model_dump(mode="json", include={"embedding_set", "extractor_fingerprint"})
        artefacts.commit(params.kind, params.fingerprint, files, made_of)
    return outcome


def _search(context: StepContext, params: CopiesParams, folder: Path) -> None:
    """Search the set for copies, as analyses do that were not told otherwise."""
    view = load_view(context.runtime.artefacts.open("embedding_set", params.embedding_set), "", {Need.NEIGHBOURS})
    with context.runtime.single_threaded():
        pairs, nodes = pairs_to_tables(find_within(view, NearConfig()))
    write_table(pairs, folder / PAIRS)
    write_table(nodes, folder / NODES)


def _embed_texts(context: StepContext, params: TextsParams, folder: Path) -> None:
    """Embed texts; as long as the temperature, so that their product with a picture is the model's logit."""
    extractor = context.runtime.extractor_of(params.extractor, params.extractor_fingerprint)
    if not isinstance(extractor, TextEncoder):
        raise ConfigError(f"{params.extractor} embeds no texts, though its family says so")
    vectors, usable = unit_vectors(extractor.embed_text(params.texts))
    if not usable.all():
        lost = params.texts[int(usable.argmin())]
        raise ExtractorError(params.extractor, f"{params.extractor} gave a vector without direction for {lost!r}")
    scaled = vectors * np.float32(temperature_of(extractor))
    write_table(pa.table({"text": params.texts, "embedding": vectors_array(scaled)}), folder / TEXTS)

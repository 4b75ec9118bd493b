"""Prepare: what the analyses of an audit share is made once, before they run."""

from __future__ import annotations

from pathlib import Path

from audit.analyses.base import Need
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.kept import pairs_to_tables
from storage.parquet import write_table
from storage.records import Outcome
from workers.context import StepContext
from workers.steps import parts
from workers.steps.params import CopiesParams, PrepareParams
from workers.views import NODES, PAIRS, load_view


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
        else:
            parts.embed(context, params, folder)
        context.check()
        files = {path.name: path for path in sorted(folder.iterdir())}
        artefacts.commit(params.kind, params.fingerprint, files, {"embedding_set": params.embedding_set})
    return outcome


def _search(context: StepContext, params: CopiesParams, folder: Path) -> None:
    """Search the set for copies, as analyses do that were not told otherwise."""
    view = load_view(context.runtime.artefacts.open("embedding_set", params.embedding_set), "", {Need.NEIGHBOURS})
    with context.runtime.single_threaded():
        pairs, nodes = pairs_to_tables(find_within(view, NearConfig()))
    write_table(pairs, folder / PAIRS)
    write_table(nodes, folder / NODES)

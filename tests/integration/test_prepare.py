"""What the analyses of an audit share: searched once, looked at closely, and handed to those that read it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from audit.analyses import base
from audit.analyses.base import Analysis, Computed, Config, Need, Result
from audit.duplicates.find import NearConfig, find_within
from audit.extractors import ExtractorInfo, Features, Scheme, load_extractor, registry
from audit.model import DatasetView
from audit.report import Section
from storage import queries
from storage.records import AuditRequest, Status, Subject, SubjectKind
from storage.settings import Settings
from storage.sources import SourceSpec
from workers.errors import UnknownIdError
from workers.service import Service
from workers.steps import prepare

N = 40
SIDE = 64


class Seen(Result):
    """What an analysis was given."""

    n_copies: int
    same_copies: bool
    rows: tuple[int, ...]
    given: tuple[bool, ...]
    boxes: tuple[tuple[float, ...], ...]
    first_vector: tuple[float, ...]
    layer: str
    texts: dict[str, tuple[float, ...]] | None


def compute(views: Sequence[DatasetView], config: Config, rng: np.random.Generator) -> Computed:
    del config, rng
    (view,) = views
    found = view.copies
    again = find_within(
        DatasetView(view.name, "", view.images, view.excluded, neighbours=view.neighbours), NearConfig()
    )
    parts = view.parts
    return Computed(
        Seen(
            n_copies=-1 if found is None else len(found),
            same_copies=found is not None and np.array_equal(found.pairs, again.pairs),
            rows=() if parts is None else tuple(parts.rows.tolist()),
            given=() if parts is None else tuple(parts.is_given.tolist()),
            boxes=() if parts is None else tuple(map(tuple, parts.boxes.tolist())),
            first_vector=() if parts is None else tuple(parts.whole.vectors[0].tolist()),
            layer="" if parts is None else parts.map_layer,
            texts=None if view.texts is None else {text: tuple(v.tolist()) for text, v in view.texts.items()},
        )
    )


def section(result: Seen) -> Section:
    return Section(id="looking", title="Looking", question="?", summary="Seen.", analysis="looking", version=1)


LOOKING = Analysis(
    name="looking",
    version=1,
    title="Looking",
    question="?",
    datasets=1,
    needs=frozenset({Need.PARTS, Need.NEIGHBOURS, Need.TEXTS}),
    config=Config,
    result=Seen,
    compute=compute,
    section=section,
    source="none",
    order=1,
    texts=lambda labels, config: [f"a {label}" for label in labels],
)


class Worded:
    """The classical extractor, which also finds a place for texts: along the axis of their length."""

    temperature = 20.0

    def __init__(self) -> None:
        self._base = load_extractor("classical")
        self.spec = self._base.spec.model_copy(update={"name": "worded"})
        self.ranges = self._base.ranges

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        return self._base.features(batch)

    def embed_text(self, prompts: Sequence[str]) -> npt.NDArray[np.float32]:
        return 3 * np.eye(self.spec.dimension, dtype=np.float32)[[len(prompt) for prompt in prompts]]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that knows one analysis only."""
    base.analyses()
    monkeypatch.setattr(base, "_REGISTRY", {"looking": LOOKING})
    with Service.open(Settings(home=tmp_path / "home", decoders=1, threads=1)) as opened:
        yield opened


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Pictures of noise with a bright square, of which every second one has its box said; the last two are copies."""
    rng, rows = np.random.default_rng(0), []
    for number in range(N):
        pixels = rng.integers(0, 90, (SIDE, SIDE, 3), dtype=np.uint8)
        pixels[16:40, 24:56] = rng.integers(120, 255, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
        rows.append({"path": f"{number:02}.png", "box": "[24, 16, 56, 40]" if number % 2 else ""})
    Image.open(tmp_path / f"{N - 1:02}.png").save(tmp_path / "copy.png", compress_level=1)
    rows.append({"path": "copy.png", "box": ""})
    path = tmp_path / "pictures.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "box"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def audited(service: Service, manifest: Path, extractor: str = "bundled") -> tuple[str, Seen]:
    dataset = service.submit_dataset(SourceSpec(uri=str(manifest)))
    audit = service.wait(service.submit_audit([dataset.id], AuditRequest(extractor=extractor)).id)
    assert (audit.status, audit.n_failed, audit.error) == (Status.DONE, 0, "")
    return audit.id, Seen.model_validate(service.results(audit.id)["looking"])


def test_a_verdict_on_an_audit_without_suspects_says_why_it_has_none(service: Service, manifest: Path) -> None:
    audit_id, _ = audited(service, manifest)
    with pytest.raises(UnknownIdError, match="no feature 'sky'; the audit has no table spurious: that was left out"):
        service.record_verdict(audit_id, "sky", "confirmed")
    with pytest.raises(UnknownIdError, match="no audit"):
        service.record_verdict("0" * 32, "sky", "confirmed")


def test_analyses_read_the_search_and_the_parts_that_were_prepared(service: Service, manifest: Path) -> None:
    audit_id, seen = audited(service, manifest)
    assert seen.same_copies
    assert seen.rows == tuple(range(N + 1))
    assert seen.n_copies >= 0
    assert sum(seen.given) == N // 2
    np.testing.assert_allclose(seen.boxes[1], [24 / 64, 16 / 64, 56 / 64, 40 / 64], atol=1e-6)
    assert seen.layer == "last"
    vectors = load_extractor("bundled").spec.dimension
    assert len(seen.first_vector) == vectors
    assert np.linalg.norm(seen.first_vector) == pytest.approx(1, abs=1e-5)
    with service.runtime.database.read() as tx:
        steps = queries.named_steps(tx, Subject(SubjectKind.AUDIT, audit_id), "prepare")
    assert [step.name for step in steps] == ["copies-0", "parts-0-000000"]


def test_an_audit_goes_on_without_what_could_not_be_prepared(
    service: Service, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr(prepare.parts, "embed", broken)
    monkeypatch.setattr(prepare, "_search", broken)
    _, seen = audited(service, manifest)
    assert seen.n_copies == -1
    assert seen.rows == ()


def test_parts_are_left_out_when_none_are_wanted(tmp_path: Path, service: Service, manifest: Path) -> None:
    service.settings.__dict__["parts"] = 0
    _, seen = audited(service, manifest)
    assert seen.rows == ()
    assert seen.n_copies >= 0


def test_texts_are_embedded_where_the_extractor_embeds_texts(
    service: Service, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = ExtractorInfo(name="worded", summary="", needs="nothing")
    extractor = Worded()
    worded = Scheme(info, lambda _: extractor, lambda _: extractor.spec, embeds_text=lambda _: True)
    monkeypatch.setattr(registry, "_schemes", lambda: {"worded": worded})
    head, *rows = manifest.read_text().splitlines()
    labelled = [f"{row},{('sea', 'shore')[i % 2]}" for i, row in enumerate(rows)]
    manifest.write_text("\n".join([f"{head},label", *labelled]))
    _, seen = audited(service, manifest, "worded")
    assert seen.texts is not None
    assert {text: vector.index(20) for text, vector in seen.texts.items()} == {"a sea": 5, "a shore": 7}


def test_no_texts_are_embedded_by_an_extractor_of_pictures_alone(service: Service, manifest: Path) -> None:
    assert audited(service, manifest)[1].texts is None

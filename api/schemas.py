"""Bodies of the REST API: what is sent and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api.parameters import ID_PATTERN, MAX_SAFE_INTEGER, MOST_LAYERS, PLAIN_TEXT, LayerName, plain_json
from storage.records import Audit, AuditRequest, Dataset, Verdict
from storage.sources import SourceSpec

T = TypeVar("T")


def _distinct(ids: list[str]) -> list[str]:
    if len(set(ids)) != len(ids):
        raise ValueError("a dataset cannot be compared with itself; name two different ones")
    return ids


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetIn(_Body):
    """A dataset to register: a path, or a source with everything that can be said about it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"source": {"uri": "/data/flowers", "label_from": "folder"}, "name": "flowers"},
                {"source": {"uri": "/data/flowers.csv", "label_from": "species", "split_from": "fold"}},
            ]
        },
    )

    source: Annotated[SourceSpec, BeforeValidator(plain_json)] = Field(description="What to read, and how.")
    name: str | None = Field(
        None, min_length=1, max_length=200, pattern=PLAIN_TEXT, description="Shown in reports; from the path if absent."
    )


class AuditIn(_Body):
    """An audit of one dataset, or a comparison of two (reference first, candidate second)."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"dataset_ids": ["4f7c2d1e9ab84c0fb35d86e1a2c94b70"], "extractor": "bundled", "seed": 0},
                {
                    "dataset_ids": ["4f7c2d1e9ab84c0fb35d86e1a2c94b70", "91c0e5aa7d2f4b06a1f38c4d5e60b2f7"],
                    "skip": ["labels"],
                },
            ]
        },
    )

    dataset_ids: Annotated[
        list[Annotated[str, Field(pattern=ID_PATTERN)]], AfterValidator(_distinct), Field(min_length=1, max_length=2)
    ] = Field(description="One dataset, or reference and candidate.")
    extractor: str = Field(
        "bundled", min_length=1, max_length=1024, pattern=PLAIN_TEXT, description="Name of the extractor."
    )
    seed: int = Field(0, ge=0, lt=MAX_SAFE_INTEGER, description="Seed of every random choice.")
    analyses: Annotated[dict[str, dict[str, Any]], BeforeValidator(plain_json)] = Field(
        default_factory=dict, description="Configuration per analysis (GET /v1/analyses describes each)."
    )
    skip: Annotated[list[Annotated[str, Field(max_length=64, pattern=PLAIN_TEXT)]], Field(max_length=64)] = Field(
        default_factory=list, description="Analyses to leave out."
    )
    title: str = Field("", max_length=200, pattern=PLAIN_TEXT, description="Title of the report.")
    translation: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description="Fingerprint that POST /v1/translations gave: the reference is by its old extractor, the candidate "
        "by its new one, whatever `extractor` says.",
    )

    def request(self) -> AuditRequest:
        """What the service is asked for."""
        return AuditRequest(
            extractor=self.extractor,
            seed=self.seed,
            analyses=self.analyses,
            skip=tuple(self.skip),
            title=self.title,
            translation=self.translation,
        )


class DatasetOut(Dataset):
    """A dataset and the addresses that belong to it."""

    links: dict[str, str] = Field(description="Addresses: `self`.")

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetOut:
        """Add the addresses to a record."""
        return cls(**dict(dataset), links={"self": f"/v1/datasets/{dataset.id}"})


class AuditOut(Audit):
    """An audit or comparison and the addresses that belong to it."""

    links: dict[str, str] = Field(description="Addresses: `self`, `events`, and `report` once it is there.")

    @classmethod
    def of(cls, audit: Audit) -> AuditOut:
        """Add the addresses to a record."""
        own = f"/v1/audits/{audit.id}"
        links = {"self": own, "events": f"{own}/events"}
        if audit.status == "done":
            links["report"] = f"{own}/report"
        return cls(**dict(audit), links=links)


class Page(_Body, Generic[T]):
    """One page of a list."""

    items: tuple[T, ...] = Field(description="The items, in a stable order.")
    next_cursor: str | None = Field(description="Where the next page starts; null on the last.")


class ImageOut(_Body):
    """One input of an audited dataset, quarantined ones included."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image_id: str
    path: str
    dataset: str | None = Field(None, description="Name of its dataset, in a comparison.")
    status: str = Field(description="`ok`, `quarantined` or `skipped`.")
    reason: str | None = Field(None, description="Why it is not ok: a stable code.")
    label: str | None = None
    split: str | None = None


class OutlierOut(_Body):
    """One image by how unusual it is."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image_id: str
    path: str
    score: float = Field(description="Mean distance to its nearest neighbours; higher is more unusual.")
    rank: int = Field(description="1 is the most unusual.", ge=1)


class NeighbourOut(_Body):
    """One image by how near it is."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image_id: str
    path: str
    dataset: str | None = Field(None, description="Name of its dataset.")
    distance: float = Field(description="Euclidean distance between unit vectors, in [0, 2].", ge=0)


class VerdictIn(_Body):
    """What a person says of a feature that an audit suspects to be spurious."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"feature": "context 3", "verdict": "confirmed", "note": "all boats were taken at sea"}]
        },
    )

    feature: str = Field(
        min_length=1, max_length=500, pattern=PLAIN_TEXT, description="Its name in the audit's table `spurious`."
    )
    verdict: Literal["confirmed", "rejected", "withdrawn"] = Field(
        description="`withdrawn` takes back what was said before."
    )
    note: str = Field("", max_length=2000, pattern=PLAIN_TEXT, description="Why, for those who read it later.")


class TranslationOut(_Body):
    """A translation between two extractors that the service keeps."""

    fingerprint: str = Field(description="Its name: give it as the `translation` of a comparison.")
    sentence: str = Field(description="What it was learnt on and what it cannot see.")
    old: str = Field(description="Extractor of the reference.")
    new: str = Field(description="Extractor of the candidate.")
    n_directions: int = Field(description="Directions that both extractors share.", ge=1)
    n_learnt: int = Field(description="Pictures it was learnt from.", ge=1)
    n_held_out: int = Field(description="Pictures held out for its check.", ge=1)


class Verdicts(_Body):
    """The verdicts that hold for a dataset under one extractor, by feature."""

    verdicts: tuple[Verdict, ...]

    @classmethod
    def of(cls, held: Sequence[Verdict]) -> Verdicts:
        """As the API shows them."""
        return cls(verdicts=tuple(held))


class DnaSide(_Body):
    """A dataset of an audit."""

    audit: str = Field(pattern=ID_PATTERN, description="Id of an audit or comparison.")
    dataset: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=PLAIN_TEXT,
        description="Of a comparison: the dataset that is meant, by name or id; the reference if absent.",
    )


class DnaQuestionIn(_Body):
    """Two datasets to compare, and what is listened to."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "reference": {"audit": "a01b7d3c52e94f6f8d10b3a7c4e5f692"},
                    "candidate": {"audit": "c7d1e0f25b834a0c9e6f71d2b8a39456", "dataset": "new flowers"},
                    "layers": ["last"],
                    "by": "meta.site",
                }
            ]
        },
    )

    reference: DnaSide
    candidate: DnaSide
    weights: dict[str, Any] | None = Field(
        None, description="What `POST /v1/audits/{audit_id}/dna/weights` or `assay dna select` made, unchanged."
    )
    layers: tuple[LayerName, ...] = Field((), max_length=MOST_LAYERS, description="Listen to these layers only.")
    by: str = Field("", max_length=200, pattern=PLAIN_TEXT, description="`label`, `split` or `meta.NAME`.")
    seed: int = Field(0, ge=0, lt=MAX_SAFE_INTEGER, description="Seed of permutations and resamples.")


class DnaChoiceIn(_Body):
    """How neurons are chosen: exactly one of `neurons`, `having` and `without`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"having": "meta.weather=fog", "name": "fog"}]}
    )

    neurons: tuple[LayerName, ...] | None = Field(
        None, max_length=1000, description="Layers (`last`) or single neurons (`last:17`)."
    )
    having: str | None = Field(
        None, max_length=400, pattern=PLAIN_TEXT, description="`COLUMN=VALUE`: learn what answers to such pictures."
    )
    without: str | None = Field(
        None, max_length=400, pattern=PLAIN_TEXT, description="`COLUMN=VALUE`: silence what tells such pictures apart."
    )
    name: str = Field("", max_length=200, pattern=PLAIN_TEXT, description="What the weights are called.")
    seed: int = Field(0, ge=0, lt=MAX_SAFE_INTEGER, description="Seed of halves and permutations.")


class DnaWeightsOut(_Body):
    """Weights of neurons, as `assay dna select` saves them."""

    version: int
    name: str
    extractor: str = Field(description="Fingerprint of the extractor; the weights fit no other.")
    ranges: str = Field(description="Hash of the neuron ranges.")
    made: str = Field(description="How, in words.")
    layers: dict[str, tuple[float, ...]] = Field(description="A weight for each neuron of each layer.")
    evidence: dict[str, Any] | None = Field(description="How an attribute did on pictures that were held out.")
    fingerprint: str = Field(description="Name of everything in it; changed weights are refused.")


class DnaOut(_Body):
    """What a Visual DNA holds."""

    dataset: str = Field(description="Name of its dataset.")
    n_images: int
    extractor: str = Field(description="Fingerprint of the extractor; only equal ones can be compared.")
    layers: dict[str, int] = Field(description="Neurons by layer.")
    n_dead: int = Field(description="Neurons that never changed in calibration; they are left out of distances.")


class DnaWithinOut(_Body):
    """Two datasets within one value of a column: image means, in standard deviations of the reference's."""

    label: str = Field(description="The value.")
    n_images: tuple[int, int] = Field(description="Pictures of each side, at most 200.")
    distance: float = Field(description="As measured.")
    floor: float = Field(description="Mean distance when pictures are exchanged between the datasets.")
    corrected: float = Field(description="Beyond chance.")
    p_value: float


class DnaComparisonOut(_Body):
    """Two Visual DNA compared, in standard deviations of the reference; null where it cannot be had."""

    distance: float | None = Field(description="As measured.")
    floor: float | None = Field(description="What sampling alone gives on average.")
    corrected: float | None = Field(description="The distance with its floor taken off in squares.")
    ratio: float | None = Field(description="Distance by floor.")
    low: float | None = Field(description="Lower end of the 95 % interval of the corrected distance.")
    high: float | None = Field(description="Upper end.")
    cramer: float | None = Field(description="Unbiased squared Cramér distance.")
    p_value: float | None = Field(description="How often two samples of one source are that far apart.")
    p_mean: float | None = Field(description="The same by the mean over neurons.")
    p_max: float | None = Field(description="The same by the most extreme neuron.")
    p_value_note: str = Field(description="Why there is no p-value; empty if there is one.")
    null_high: float | None = Field(description="What 95 % of pairs of samples of one source stay below.")
    n_needed: int | None = Field(description="Images a side from which the difference is 1.5 times its floor.")
    plain_bins: float | None = Field(description="Plain mean over neurons, in thousandths of the range.")
    n_buckets: int = Field(description="Filled buckets of images on the side that has fewer.")
    n_bursts: tuple[int, int] | None = Field(
        description="Bursts of each dataset: copies and images of one group count as one; null if not known."
    )
    design_effect: tuple[float, float] | None = Field(
        description="How many times the variance of as many independent images the bursts of each dataset give."
    )
    weights: str | None = Field(description="Fingerprint of the weights that were listened to; null if all alike.")
    layers: dict[str, float] = Field(description="Mean distance of every layer.")
    within: tuple[DnaWithinOut, ...] = Field(description="Of `by`: within each value that both have, the widest first.")


class DnaMatrixOut(_Body):
    """Distances between datasets; row i in standard deviations of dataset i, null where too few images."""

    audits: tuple[str, ...] = Field(description="As they were asked for.")
    names: tuple[str, ...] = Field(description="Names of the datasets.")
    distance: tuple[tuple[float | None, ...], ...] = Field(description="As measured.")
    floor: tuple[tuple[float | None, ...], ...] = Field(description="What sampling alone gives on average.")
    corrected: tuple[tuple[float | None, ...], ...] = Field(description="Beyond sampling.")


class ExtractorOut(_Body):
    """One extractor, or family of them, that this installation knows."""

    name: str = Field(description="What to ask for, placeholders in capitals.")
    summary: str
    needs: str = Field(description="What must be there before it runs.")


class AnalysisOut(_Body):
    """One analysis and its configuration."""

    name: str
    version: int
    title: str
    question: str
    datasets: Literal[1, 2] = Field(description="How many datasets it reads.")
    needs: tuple[str, ...]
    tables: tuple[str, ...]
    source: str = Field(description="Paper, equation or definition.")
    config: dict[str, Any] = Field(description="JSON schema of its configuration.")


class Health(_Body):
    """That the process answers."""

    status: str


class Readiness(_Body):
    """Whether everything that work needs is there."""

    ready: bool
    checks: dict[str, str] = Field(description="`ok` or what is wrong, for database, blobs and broker.")

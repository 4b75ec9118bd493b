"""Image quality: thresholds, issues and words, on datasets made of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from audit.analyses import quality
from audit.analyses.base import Computed
from audit.maths.fences import excess, fence
from audit.model import IMAGES_SCHEMA, DatasetView
from audit.pictures.faults import FAULTS
from audit.pictures.statistics import PICTURE_SCHEMA, STATISTICS
from audit.report import Severity

USUAL: dict[str, tuple[float, float]] = {
    "brightness_p95": (0.85, 0.08),
    "brightness_p01": (0.06, 0.03),
    "contrast_range": (0.8, 0.08),
    "sharpness": (6.0, 1.0),
    "entropy": (7.2, 0.3),
    "short_side": (224.0, 4.0),
    "megapixels": (0.07, 0.005),
    "aspect": (1.3, 0.1),
    "chroma_p99": (0.4, 0.1),
    "border_share": (0.0, 0.0),
}


def view(n: int = 400, **changed: dict[int, float] | np.ndarray) -> DatasetView:
    """A dataset of usual pictures, but for the given values of a statistic by row."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {"image_id": [f"{i:016x}" for i in range(n)], "path": [f"{i}.png" for i in range(n)]}
    for name in STATISTICS:
        centre, spread = USUAL.get(name, (0.5, 0.1))
        values = centre + spread * np.clip(rng.normal(size=n), -2, 2)
        change = changed.get(name, {})
        values = np.asarray(change, float) if isinstance(change, np.ndarray) else values
        for row, value in change.items() if isinstance(change, dict) else ():
            values[row] = value
        columns[name] = pa.array(values, PICTURE_SCHEMA.field(name).type, from_pandas=True)
    return DatasetView("set", "f" * 64, pa.table(columns), IMAGES_SCHEMA.empty_table())


def run(dataset: DatasetView, **config: Any) -> Computed:
    return quality.compute([dataset], quality.QualityConfig(**config), np.random.default_rng(0))


def flagged(computed: Computed) -> set[tuple[str, str]]:
    table = computed.tables["quality"]
    return set(zip(table["issue"].to_pylist(), table["path"].to_pylist(), strict=True))


def test_a_tidy_dataset_has_no_faults() -> None:
    computed = run(view())
    assert flagged(computed) == set()
    section = quality.section(computed.result)
    assert section.findings == ()
    assert section.summary.startswith("None of 400 pictures")


@pytest.mark.parametrize(
    ("issue", "statistic", "bad"),
    [
        ("dark", "brightness_p95", 0.12),
        ("washed_out", "brightness_p01", 0.6),
        ("low_contrast", "contrast_range", 0.15),
        ("blurry", "sharpness", 1.15),
        ("low_information", "entropy", 0.2),
        ("low_resolution", "short_side", 20),
        ("odd_size", "megapixels", 12.0),
        ("odd_size", "megapixels", 0.001),
        ("odd_aspect", "aspect", 6.0),
        ("odd_aspect", "aspect", 0.2),
        ("grey", "chroma_p99", 0.0),
        ("border", "border_share", 0.2),
    ],
)
def test_each_issue_is_found_by_its_statistic(issue: str, statistic: str, bad: float) -> None:
    assert flagged(run(view(**{statistic: {7: bad}}))) == {(issue, "7.png")}


def test_a_picture_may_have_several_rows_and_ranks_go_from_the_worst() -> None:
    computed = run(view(brightness_p95={3: 0.05, 9: 0.3}, contrast_range={3: 0.05}))
    table = computed.tables["quality"].to_pydict()
    assert table["rank"] == [1, 2, 3]
    assert table["score"] == sorted(table["score"], reverse=True)
    assert table["path"].count("3.png") == 2
    assert computed.result.n_flagged == 2


def test_a_dark_dataset_is_not_all_dark() -> None:
    night = np.random.default_rng(1).normal(0.3, 0.05, 400)
    assert len(flagged(run(view(brightness_p95=night)))) < 8


def test_pictures_that_are_plainly_black_count_however_many_they_are() -> None:
    half = np.where(np.arange(400) % 2, 0.8, 0.02)
    assert len(flagged(run(view(brightness_p95=half)))) == 200


def test_a_quarter_of_small_pictures_is_a_mixed_set_and_no_fault() -> None:
    mixed = np.where(np.arange(400) % 4 == 0, 32.0, 224.0)
    computed = run(view(short_side=mixed, megapixels=(mixed / 1000) ** 2))
    assert flagged(computed) == set()


def test_one_in_ten_grey_pictures_is_part_of_the_set_and_said_so() -> None:
    grey = np.where(np.arange(400) % 10 == 0, 0.0, 0.4)
    computed = run(view(chroma_p99=grey))
    assert flagged(computed) == set()
    (block, *_) = quality.section(computed.result).blocks
    assert "too many are like this to be exceptions (40 of 400)" in str(block)


def test_pictures_without_the_statistic_are_left_out() -> None:
    sharp = np.full(400, np.nan)
    sharp[:3] = 5.0
    computed = run(view(sharpness=sharp))
    assert flagged(computed) == set()
    assert {i.issue: i.n_measured for i in computed.result.issues}["blurry"] == 3


def test_a_dataset_without_statistics_gives_a_section_all_the_same() -> None:
    bare = DatasetView("set", "f" * 64, pa.table({"image_id": ["a"], "path": ["p"]}), IMAGES_SCHEMA.empty_table())
    assert "not measured" in str(quality.section(run(bare).result).blocks)


def test_a_threshold_can_be_fixed() -> None:
    computed = run(view(sharpness={1: 3.0}), thresholds={"blurry": 3.2})
    assert flagged(computed) == {("blurry", "1.png")}
    assert computed.tables["quality"]["threshold"].to_pylist() == pytest.approx([3.2])


def test_only_the_issues_asked_for_are_looked_for() -> None:
    assert flagged(run(view(sharpness={1: 1.1}, entropy={2: 0.0}), issues=("blurry",))) == {("blurry", "1.png")}


def test_an_unknown_issue_is_refused() -> None:
    with pytest.raises(ValidationError):
        quality.QualityConfig(issues=("ugly",))  # type: ignore[arg-type]


def test_a_finding_says_share_interval_and_what_to_do() -> None:
    (finding,) = quality.section(run(view(sharpness={1: 1.1, 5: 1.05})).result).findings
    assert finding.sentence == "2 pictures of 400 (0.5%) are blurred everywhere."
    assert finding.metric.value == pytest.approx(0.005)
    assert finding.metric.low == pytest.approx(0.00137, abs=1e-4)
    assert finding.metric.high == pytest.approx(0.01804, abs=1e-4)
    assert [p.path for p in finding.pictures] == ["5.png", "1.png"]
    assert finding.table == "quality"


def test_a_caption_says_what_was_measured_in_words() -> None:
    (finding,) = quality.section(run(view(brightness_p95={1: 0.0275})).result).findings
    assert [p.caption for p in finding.pictures] == ["brightest parts 3%"]


def test_no_caption_shows_the_name_of_a_column() -> None:
    captions = {issue: fault.caption(0.25) for issue, fault in FAULTS.items()}
    assert len(set(captions.values())) == len(FAULTS)
    assert not [c for c in captions.values() if "_" in c or "{" in c or not any(d.isdigit() for d in c)]


def test_a_finding_on_a_twentieth_of_the_set_is_a_problem() -> None:
    many = np.where(np.arange(400) % 10 == 0, 1.05, 6.0)
    (finding,) = quality.section(run(view(sharpness=many)).result).findings
    assert finding.severity is Severity.PROBLEM
    assert len(finding.pictures) == 12


def test_every_fault_reads_a_statistic_that_exists() -> None:
    for issue, fault in FAULTS.items():
        assert fault.statistic in STATISTICS, issue
        assert fault.side * fault.lenient <= fault.side * fault.strict, issue
        assert "{" in fault.words


def test_the_fence_is_the_one_sided_robust_z() -> None:
    values = np.arange(101.0)
    drawn = fence(values, z=2.0, lenient=-np.inf, strict=np.inf)
    assert drawn.threshold == pytest.approx(50 + 2 * 25 / 0.6744897501960817)
    assert (drawn.origin, drawn.median, drawn.n, drawn.n_beyond) == ("tail", 50.0, 101, 0)


def test_the_fence_is_held_by_its_bounds() -> None:
    values = np.arange(101.0)
    assert fence(values, z=2.0, lenient=200, strict=300).origin == "lenient"
    assert fence(values, z=2.0, lenient=0, strict=60).threshold == 60


def test_the_fence_is_raised_until_few_are_beyond() -> None:
    values = np.concatenate([np.zeros(100), np.arange(1.0, 11.0)])
    drawn = fence(values, z=2.0, lenient=0.5, strict=0.5, rare_share=0.02)
    assert (drawn.origin, drawn.n_beyond) == ("rare", 10)
    assert np.count_nonzero(values > drawn.threshold) == 2


def test_the_excess_is_one_at_the_threshold_and_zero_at_the_median() -> None:
    drawn = fence(np.arange(101.0), z=2.0, lenient=-np.inf, strict=np.inf)
    assert excess(np.array([drawn.median, drawn.threshold]), drawn) == pytest.approx([0.0, 1.0])


def test_one_picture_with_a_fault_is_spoken_of_in_the_singular() -> None:
    section = quality.section(run(view(brightness_p95={3: 0.12})).result)
    assert section.summary.startswith("1 picture of 400 (0.2%) has a fault")
    assert section.findings[0].action == "Brighten it if the content can still be seen; otherwise remove it."


def test_the_only_picture_is_spoken_of_in_the_singular() -> None:
    result = run(view()).result.model_copy(update={"n": 1})
    assert quality.section(result).summary.startswith("The only picture is not dark")


def test_the_table_of_what_was_looked_for_does_not_pass_for_a_part_of_the_table_of_pictures() -> None:
    table = quality.section(run(view()).result).blocks[0]
    assert table.source == ""
    assert "tables/quality.parquet" in table.note

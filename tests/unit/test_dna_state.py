"""The state of Visual DNA by hand: where an activation is counted, and what is refused."""

import numpy as np
import pytest

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges, merge
from audit.errors import FingerprintMismatchError
from audit.maths.histograms import MEAN_UNIT, SPREAD_EDGES, SPREAD_UNIT, STEP


def ranges(n: int = 1, low: float = 0.0, high: float = 126.0, name: str = "layer") -> NeuronRanges:
    """One bin is one unit wide."""
    return NeuronRanges(
        {name: LayerRanges(np.full(n, low, np.float32), np.full(n, high, np.float32), np.zeros(n, bool))}, "by hand"
    )


def dna(*images: list[float], known: NeuronRanges | None = None, extractor: str = "e") -> Dna:
    counter = DnaCounter(known or ranges(), extractor)
    counter.add({"layer": np.array(images, np.float32).reshape(len(images), -1, 1)})
    return counter.dna()


def test_bins_are_half_open() -> None:
    counts = dna([0.0, 0.999, 1.0, 125.99, 126.0, -0.01]).counts[0]
    assert {int(i): int(counts[i]) for i in np.flatnonzero(counts)} == {0: 1, 1: 2, 2: 1, 126: 1, 127: 1}


def test_tails_keep_how_far_out_positions_are() -> None:
    assert dna([-3.0, -0.5, 10.0, 130.0]).tails[0].tolist() == [int(3.5 * STEP), 4 * STEP]


def test_nan_is_counted_apart() -> None:
    state = dna([np.nan, 5.0, np.nan])
    assert (state.n_nan[0], state.counts.sum(), state.n_images[0]) == (2, 1, 1)


def test_an_image_of_nothing_but_nan_is_no_image() -> None:
    state = dna([np.nan, np.nan], [1.0, 2.0])
    assert (state.n_images[0], state.spread[0, -1], state.mean_sum[0]) == (1, SPREAD_UNIT, int(1.5 * MEAN_UNIT))


def test_infinities_land_in_the_tails_at_the_furthest_distance() -> None:
    state = dna([np.inf, -np.inf])
    assert state.counts[0, [0, 127]].tolist() == [1, 1]
    assert (state.tails[0] > 100 * 126 * STEP).all()


def test_spread_is_the_sum_of_squared_cumulative_shares() -> None:
    state = dna([1.0, 2.0, 3.0, 120.0], [50.0, 60.0, 70.0, 80.0])
    below = [[(np.array(image) < e).mean() for e in SPREAD_EDGES] for image in ([1, 2, 3, 120], [50, 60, 70, 80])]
    np.testing.assert_array_equal(state.spread[0], (np.square(below).sum(axis=0) * SPREAD_UNIT).astype(int))


def test_means_are_those_of_images() -> None:
    state = dna([10.0, 20.0], [40.0, 50.0])
    assert state.mean_sum[0] == (15 + 45) * MEAN_UNIT
    assert state.mean_square[0] == (15**2 + 45**2) * MEAN_UNIT**2


def test_buckets_hold_every_position_and_equal_images_share_one() -> None:
    state = dna([1.0, 2.0], [1.0, 2.0], [1.0, 2.0])
    assert state.buckets.sum() == 6
    assert (state.buckets[0].sum(axis=1) > 0).sum() == 1


def test_a_table_gives_the_state_back() -> None:
    state = dna([1.0, -2.0], [np.nan, 500.0])
    assert Dna.from_table(state.to_table()).same_as(state)


def test_a_table_survives_parquet(tmp_path) -> None:
    import pyarrow.parquet as pq

    state = dna([1.0, -2.0], [np.nan, 500.0])
    pq.write_table(state.to_table(), tmp_path / "dna.parquet", compression="zstd")
    assert Dna.from_table(pq.read_table(tmp_path / "dna.parquet")).same_as(state)


@pytest.mark.parametrize(
    ("largest", "kind"), [(2**15 - 1, "int16"), (2**15, "int32"), (2**31, "int64"), (-(2**15) - 1, "int32")]
)
def test_a_narrow_table_holds_numbers_of_any_size_exactly(largest: int, kind: str) -> None:
    state = dna([1.0, -2.0])
    state.mean_square[0] = largest
    table = state.to_table(narrow=True)
    assert str(table.schema.field("mean_square").type) == kind
    assert Dna.from_table(table).same_as(state)


def test_a_table_whose_ranges_were_changed_is_refused() -> None:
    table = dna([1.0]).to_table()
    other = dna([1.0], known=ranges(high=100.0)).to_table()
    with pytest.raises(FingerprintMismatchError, match="neuron ranges"):
        Dna.from_table(other.replace_schema_metadata(table.schema.metadata))


def test_another_table_is_refused() -> None:
    with pytest.raises(ValueError, match="not a Visual DNA table"):
        Dna.from_table(dna([1.0]).to_table().replace_schema_metadata({}))


def test_parts_of_different_extractors_are_not_merged() -> None:
    with pytest.raises(FingerprintMismatchError, match="extractors"):
        merge([dna([1.0]), dna([1.0], extractor="other")])


def test_parts_in_different_ranges_are_not_merged() -> None:
    with pytest.raises(FingerprintMismatchError, match="ranges"):
        merge([dna([1.0]), dna([1.0], known=ranges(high=127.0))])


def test_merging_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no DNA to merge"):
        merge([])


def test_a_merge_that_could_overflow_is_refused() -> None:
    part = dna([1.0])
    part.mean_square[0] = 2**62
    with pytest.raises(OverflowError, match="mean_square"):
        merge([part, part])


def test_a_missing_layer_is_named() -> None:
    with pytest.raises(ValueError, match=r"\['layer'\] are missing"):
        DnaCounter(ranges()).add({"other": np.zeros((1, 1, 1), np.float32)})


def test_a_layer_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        DnaCounter(ranges()).add({"layer": np.zeros((1, 1, 2), np.float32)})


def test_what_was_counted_does_not_change_with_later_batches() -> None:
    counter = DnaCounter(ranges())
    counter.add({"layer": np.ones((1, 1, 1), np.float32)})
    before = counter.dna()
    counter.add({"layer": np.ones((1, 1, 1), np.float32)})
    assert (before.size, counter.dna().size) == (1, 2)


def test_the_hash_of_ranges_covers_every_number_and_the_statement() -> None:
    known = [ranges(), ranges(low=1.0), ranges(high=127.0), ranges(name="other"), ranges(2)]
    flagged = NeuronRanges(
        {"layer": LayerRanges(*[np.array([v], np.float32) for v in (0, 126)], np.array([True]))}, "by hand"
    )
    restated = NeuronRanges(ranges().layers, "otherwise")
    assert len({each.sha256 for each in (*known, flagged, restated)}) == 7

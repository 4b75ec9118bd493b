"""Visual DNA as files, whole and compact, and distances between many of them."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges, compact, files
from audit.dna.comparing import compare
from audit.dna.matrix import distance_matrix
from audit.errors import ConfigError, FingerprintMismatchError
from tests.views import RANGES


def dna(seed: int, n: int = 60, shift: float = 0.0) -> Dna:
    rng = np.random.default_rng(seed)
    counter = DnaCounter(RANGES, "e")
    layers = {"early": (n, 5, 4), "late": (n, 3, 6)}
    counter.add({k: (0.4 * rng.normal(size=v) + shift).astype(np.float32) for k, v in layers.items()})
    return counter.dna()


def one(values: list[float]) -> Dna:
    """Images of one neuron with bins one unit wide."""
    known = LayerRanges(np.zeros(1, np.float32), np.full(1, 126, np.float32), np.zeros(1, bool))
    counter = DnaCounter(NeuronRanges({"layer": known}, "by hand"))
    counter.add({"layer": np.float32(values).reshape(-1, 1, 1)})
    return counter.dna()


def test_a_file_gives_back_every_number() -> None:
    assert files.from_bytes(files.to_bytes(dna(1))).same_as(dna(1))


@given(st.lists(st.floats(width=32), max_size=30))
@settings(deadline=None, max_examples=50)
def test_a_file_gives_back_every_number_of_any_activations(values: list[float]) -> None:
    found = one(values)
    assert files.from_bytes(files.to_bytes(found)).same_as(found)


def test_a_file_gives_back_numbers_of_the_largest_datasets() -> None:
    small = dna(1)
    names = ("counts", "tails", "spread", "mean_square", "buckets")
    large = dataclasses.replace(small, **{name: getattr(small, name) * 2**33 for name in names})
    assert files.from_bytes(files.to_bytes(large)).same_as(large)


def test_the_same_dna_gives_the_same_bytes() -> None:
    assert files.to_bytes(dna(1)) == files.to_bytes(dna(1))


def test_numbers_are_shuffled_by_byte_and_compressed() -> None:
    column = pq.ParquetFile(pa.BufferReader(files.to_bytes(dna(1)))).metadata.row_group(0).column(5)
    assert column.path_in_schema.startswith("counts")
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert column.compression == "ZSTD"


@pytest.mark.parametrize("read", [files.from_bytes, compact.from_bytes])
@pytest.mark.parametrize("data", [b"", b"PAR1 no table PAR1"])
def test_bytes_that_are_no_dna_are_refused(read: object, data: bytes) -> None:
    with pytest.raises(ConfigError, match="not a"):
        read(data)  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_refused_or_gives_back_every_number(seed: int) -> None:
    rng, stored = np.random.default_rng(seed), files.to_bytes(dna(1))
    refused = 0
    for _ in range(60):
        data = bytearray(stored)
        start = int(rng.integers(len(data)))
        length = int(rng.integers(1, 40))
        data[start : start + length] = rng.bytes(len(data[start : start + length]))
        try:
            assert files.from_bytes(bytes(data)).same_as(dna(1))
        except (ConfigError, FingerprintMismatchError):
            refused += 1
    assert refused > 40


def test_a_file_with_another_kind_of_column_is_refused() -> None:
    table = pq.read_table(pa.BufferReader(files.to_bytes(dna(1))))
    place = table.schema.get_field_index("counts")
    ragged = table.set_column(place, "counts", pa.array(table.column("counts").to_pylist(), pa.list_(pa.int64())))
    with pytest.raises(ConfigError, match="columns are not those of the form"):
        files.from_bytes(files.parquet_bytes(ragged, files.WHOLE))


def test_a_file_that_does_not_say_its_extractor_is_refused() -> None:
    table = pq.read_table(pa.BufferReader(files.to_bytes(dna(1))))
    for about in (b"{}", b"[1]", b"{broken"):
        changed = table.replace_schema_metadata({files.ABOUT: about})
        with pytest.raises(ConfigError, match="Visual DNA"):
            files.from_bytes(files.parquet_bytes(changed, files.WHOLE))


def test_the_two_forms_are_not_taken_for_each_other() -> None:
    with pytest.raises(ConfigError, match="compact-1"):
        files.from_bytes(compact.to_bytes(compact.compact(dna(1))))
    with pytest.raises(ConfigError, match="whole-1"):
        compact.from_bytes(files.to_bytes(dna(1)))


def test_the_compact_form_survives_its_file() -> None:
    made = compact.compact(dna(1))
    read = compact.from_bytes(compact.to_bytes(made))
    for field in dataclasses.fields(made):
        left, right = getattr(made, field.name), getattr(read, field.name)
        np.testing.assert_array_equal(left, right) if isinstance(left, np.ndarray) else None
        assert isinstance(left, np.ndarray) or left == right, field.name


def test_a_matrix_of_two_points_is_their_distance_in_bins() -> None:
    # all mass in the stored bins 4 to 6 and 10 to 12: six apart; a point's deviation is that of its bin, 1/√12
    found = distance_matrix([compact.compact(one([4.5, 4.5])), compact.compact(one([10.5, 10.5]))])
    assert found.distance[0, 1] == pytest.approx(6 * np.sqrt(12), rel=0.001)


def test_a_matrix_is_what_comparing_pair_by_pair_gives() -> None:
    whole = [dna(1, 80), dna(2, 300, 0.1), dna(3, 150, 0.3)]
    found = distance_matrix([compact.compact(each) for each in whole])
    for i, j in ((0, 1), (1, 0), (0, 2), (2, 1)):
        pair = compare(whole[i], whole[j], np.random.default_rng(0)).total
        assert found.distance[i, j] == pytest.approx(pair.distance, rel=0.02)
        assert found.floor[i, j] == pytest.approx(pair.floor, rel=0.05)
    assert np.diag(found.distance).tolist() == [0, 0, 0]


def test_a_matrix_of_different_extractors_is_refused() -> None:
    other = dataclasses.replace(compact.compact(dna(1)), extractor="other")
    with pytest.raises(FingerprintMismatchError, match="embed both again"):
        distance_matrix([compact.compact(dna(1)), other])


def test_a_matrix_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        distance_matrix([])

"""Finding, grouping and reporting copies, on drawn pictures and altered copies of them."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from audit.analyses import cross_leakage, duplicates, leakage
from audit.duplicates.find import NearConfig, find_between, find_within
from audit.duplicates.groups import make_groups
from audit.duplicates.how import what_was_done
from audit.duplicates.kept import pairs_from_tables, pairs_to_tables
from audit.duplicates.looks import AS_IS, MIRRORED, WINDOWS, Looks, frequencies, orient, orient_frequencies, read_looks
from audit.maths.alignment import identity
from audit.maths.rows import bursts
from audit.model import Neighbours
from audit.report import Severity
from tests.duplicates_samples import COPIES, dataset, row_of, scene

CONFIG = NearConfig()
RNG = np.random.default_rng(0)


def scenes(n, start=0, **more):
    return [row_of(scene(seed), f"scene{seed:02d}.png", **more) for seed in range(start, start + n)]


def copy(seed, kind, number=0, **more):
    return row_of(COPIES[kind](scene(seed), number), f"scene{seed:02d}-{kind}.jpg", **more)


def groups_of(view, threshold=CONFIG.threshold):
    paths = view.column("path")
    found = find_within(view, CONFIG)
    return [tuple(paths[row] for row in group.rows) for group in make_groups(view.images, found, threshold)]


@pytest.fixture(scope="module")
def planted():
    rows = scenes(30) + [copy(seed, kind) for seed, kind in enumerate(COPIES)]
    view = dataset(rows)
    return view, find_within(view, CONFIG)


@pytest.mark.parametrize(("seed", "kind"), list(enumerate(COPIES)))
def test_a_copy_is_grouped_with_its_original_and_nothing_else(planted, seed, kind):
    view, found = planted
    paths = view.column("path")
    groups = [{paths[row] for row in group.rows} for group in make_groups(view.images, found, CONFIG.threshold)]
    assert {f"scene{seed:02d}.png", f"scene{seed:02d}-{kind}.jpg"} in groups


def test_different_pictures_are_in_no_group():
    assert groups_of(dataset(scenes(40))) == []


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270])
def test_a_picture_on_its_side_is_found(turn):
    rows = [*scenes(6), row_of(scene(2).transpose(turn), "turned.png")]
    assert groups_of(dataset(rows)) == [("scene02.png", "turned.png")]


def test_a_grey_copy_is_found():
    rgb = np.asarray(scene(0))
    grey = row_of(Image.fromarray(rgb).convert("L").convert("RGB"), "grey.png")
    assert groups_of(dataset([*scenes(3), grey])) == [("grey.png", "scene00.png")]


def test_another_colour_weighs_on_whatever_else_differs():
    def tinted(image, red, blue):
        plane = np.asarray(image.convert("L"))
        return Image.fromarray(np.stack([plane * red, plane * 0.5, plane * blue], axis=-1).astype(np.uint8))

    def groups(one, other):
        return groups_of(dataset([row_of(one, "one.png"), row_of(other, "other.png")]))

    whole, rotated = scene(0), COPIES["rotated"](scene(0), 0)
    assert groups(tinted(whole, 1, 0.1), tinted(rotated, 1, 0.1)) == [("one.png", "other.png")]
    assert groups(tinted(whole, 1, 0.1), tinted(rotated, 0.1, 1)) == []


def test_plain_pictures_of_one_colour_are_only_equal_when_their_pixels_are():
    def flat(colour, path):
        return row_of(Image.new("RGB", (64, 64), colour), path)

    rows = [flat((10, 10, 10), "a.png"), flat((200, 200, 200), "b.png"), flat((200, 200, 200), "c.png")]
    assert groups_of(dataset(rows)) == [("b.png", "c.png")]


def test_the_same_file_is_exact_and_the_same_pixels_in_another_file_are_pixel():
    one = row_of(scene(0), "one.png")
    same_file = {**one, "path": "two.png", "image_id": "f" * 16}
    same_pixels = {**one, "path": "three.bmp", "image_id": "e" * 16, "content_hash": "0" * 64}
    result = duplicates.compute([dataset([one, same_file, same_pixels])], CONFIG, RNG)
    kinds = {row["path"]: row["kind"] for row in result.tables["duplicates"].to_pylist()}
    assert kinds == {"one.png": "exact", "two.png": "exact", "three.bmp": "pixel"}
    assert (result.result.n_exact, result.result.n_pixel) == (1, 1)


def test_pictures_of_equal_thumbnail_but_other_size_are_near_and_not_pixel():
    one = row_of(scene(0), "one.png")
    other = {**one, "path": "two.png", "image_id": "f" * 16, "content_hash": "0" * 64, "width": 640, "height": 480}
    result = duplicates.compute([dataset([one, other])], CONFIG, RNG)
    assert (result.result.n_pixel, result.result.n_near) == (0, 1)


def test_the_larger_picture_is_kept():
    small = row_of(scene(0, (320, 240)).resize((160, 120)), "a-small.png")
    assert groups_of(dataset([small, row_of(scene(0), "b-large.png")])) == [("b-large.png", "a-small.png")]


def test_a_chain_of_growing_changes_does_not_join_unlike_ends():
    first, last = np.asarray(scene(0), np.float64), np.asarray(scene(1), np.float64)
    blend = [Image.fromarray(np.uint8(first * (1 - t) + last * t)) for t in np.linspace(0, 1, 12)]
    view = dataset([row_of(image, f"blend{i:02d}.png") for i, image in enumerate(blend)])
    found = find_within(view, CONFIG)
    links = np.concatenate([found.pairs, found.pairs[:, ::-1]])
    assert len(np.unique(links)) == 12
    for group in make_groups(view.images, found, CONFIG.threshold):
        nodes = found.node[list(group.rows)]
        pairs = np.column_stack([np.full(len(nodes) - 1, nodes[0]), nodes[1:]])
        assert found.confirm(pairs, CONFIG.threshold + 0.02).all()
        assert not {"blend00.png", "blend11.png"} <= {view.column("path")[row] for row in group.rows}


def test_moving_the_threshold_needs_only_the_stored_pairs(planted):
    view, found = planted
    sizes = [sum(found.within(threshold)) for threshold in (0.0, 0.05, 0.2, 0.5)]
    assert sizes == sorted(sizes) and sizes[-1] > sizes[0]
    stored = duplicates.compute([view], CONFIG, RNG).tables["duplicate_pairs"]
    again = duplicates.compute([view], NearConfig(threshold=0.05), RNG).tables["duplicate_pairs"]
    assert stored.drop_columns(["is_near"]).equals(again.drop_columns(["is_near"]))


def test_an_embedding_neighbour_that_the_descriptors_missed_gets_a_second_look():
    rows = [*scenes(4), copy(0, "covered", 1)]
    strict = NearConfig(likeness=0.9999, turned=False)
    view = dataset(rows)
    assert len(find_within(view, strict)) == 0
    indices = np.array([[4], [2], [1], [1], [0]], np.int32)
    near = np.array([[0.1], [1], [1], [1], [0.1]], np.float32)
    found = find_within(dataclasses.replace(view, neighbours=Neighbours(indices, near)), strict)
    assert found.within(CONFIG.threshold).sum() == 1


def test_copies_with_different_labels_are_a_problem_of_their_own():
    rows = [*scenes(3, label="cat"), copy(0, "resized", label="dog")]
    result = duplicates.compute([dataset(rows)], CONFIG, RNG).result
    finding = {f.id: f for f in duplicates.section(result).findings}["duplicates.labels"]
    assert finding.severity is Severity.PROBLEM
    assert (result.n_conflicts, result.n_conflicting_images) == (1, 2)


def test_the_metric_is_the_share_of_superfluous_pictures_with_its_wilson_interval():
    rows = [*scenes(9), copy(0, "resized")]
    metric = duplicates.section(duplicates.compute([dataset(rows)], CONFIG, RNG).result).headline[0]
    assert (metric.value, metric.n) == (0.1, 10)
    assert (metric.low, metric.high) == (pytest.approx(0.0179, abs=1e-3), pytest.approx(0.4042, abs=1e-3))


def test_the_table_lists_paths_and_says_which_to_keep():
    rows = [*scenes(3), copy(1, "mirrored")]
    table = duplicates.compute([dataset(rows)], CONFIG, RNG).tables["duplicates"].to_pylist()
    assert [(row["path"], row["keep"], row["how"]) for row in table] == [
        ("scene01-mirrored.jpg", True, None),
        ("scene01.png", False, "mirrored"),
    ]


def test_leakage_counts_pictures_of_each_split_with_a_copy_in_the_other():
    rows = [*scenes(6, split="train"), *scenes(2, 6, split="test"), copy(0, "cropped", split="test")]
    result = leakage.compute([dataset(rows)], CONFIG, RNG).result
    assert {(c.side, c.other, c.images, c.n) for c in result.crossings} == {
        ("test", "train", 1, 3),
        ("train", "test", 1, 6),
    }
    (finding,) = leakage.section(result).findings
    assert finding.sentence.startswith("1 image of “test” has a copy in “train”")
    assert "split = train" in finding.action


def test_copies_within_one_split_are_no_leak():
    rows = [*scenes(4, split="train"), copy(0, "resized", split="train"), *scenes(2, 6, split="test")]
    computed = leakage.compute([dataset(rows)], CONFIG, RNG)
    assert computed.tables["leakage"].num_rows == 0
    assert leakage.section(computed.result).findings[0].severity is Severity.OK


def test_a_dataset_without_splits_cannot_leak_and_says_so():
    computed = leakage.compute([dataset([*scenes(2), copy(0, "resized")])], CONFIG, RNG)
    assert computed.tables["leakage"].num_rows == 0
    assert "nothing can leak" in leakage.section(computed.result).summary


def test_leakage_between_two_datasets_lists_both_sides():
    reference = dataset(scenes(8), "old")
    exact = {**scenes(1)[0], "path": "renamed.png"}
    candidate = dataset([*scenes(4, 20), copy(3, "rotated"), exact], "new")
    computed = cross_leakage.compute([reference, candidate], CONFIG, RNG)
    rows = {(row["dataset"], row["path"]) for row in computed.tables["leakage"].to_pylist()}
    assert rows == {
        ("old", "scene00.png"),
        ("new", "renamed.png"),
        ("old", "scene03.png"),
        ("new", "scene03-rotated.jpg"),
    }
    assert "2 images of “new” have a copy in “old”" in cross_leakage.section(computed.result).summary


def test_copies_within_one_of_two_datasets_are_no_leak_between_them():
    reference, candidate = dataset([*scenes(3), copy(0, "resized")], "old"), dataset(scenes(3, 20), "new")
    assert cross_leakage.compute([reference, candidate], CONFIG, RNG).tables["leakage"].num_rows == 0


def test_between_two_datasets_only_pairs_across_are_looked_at():
    reference, candidate = dataset(scenes(3), "old"), dataset([copy(1, "brightness")], "new")
    found = find_between(reference, candidate, CONFIG)
    assert (found.node[found.first[found.pairs]] >= 0).all()
    assert len(found) == 1


def test_bursts_join_copies_groups_and_chains_of_them():
    rows = [*scenes(3, group="g"), *scenes(3, 5), copy(0, "resized"), copy(5, "mirrored")]
    view = dataset(rows)
    found = bursts(dataclasses.replace(view, copies=find_within(view, CONFIG)))
    assert found.tolist() == [0, 0, 0, 3, 4, 5, 0, 3]


def test_bursts_of_nothing_are_nothing():
    assert bursts(dataset([])).tolist() == []


def grey_looks(luma):
    """Looks without colour."""
    n = len(luma)
    grey = np.full((n, 128), 128, np.uint8)
    return Looks(((luma.reshape(n, -1), grey),), np.arange(n), np.full(n, 48, np.float32))


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("window", ["whole", "centre"])
def test_frequencies_of_a_turned_picture_follow_from_those_of_the_picture(window, orientation):
    luma = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    turned = np.ascontiguousarray(orient(luma, orientation))
    expected = orient_frequencies(frequencies(grey_looks(luma), window), orientation)
    np.testing.assert_allclose(frequencies(grey_looks(turned), window), expected, atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_frequencies_do_not_change_with_brightness_or_contrast(window):
    luma = np.random.default_rng(1).integers(0, 100, (2, 48, 48), dtype=np.uint8)
    one, other = grey_looks(luma), grey_looks(luma * 2 + 30)
    np.testing.assert_allclose(frequencies(one, window), frequencies(other, window), atol=1e-5)


def test_looks_of_two_datasets_are_read_by_row_without_being_joined():
    old, new = dataset(scenes(3), "old"), dataset(scenes(2, 7), "new")
    both = read_looks(old.images, new.images)
    assert len(both) == 5
    alone = np.concatenate([read_looks(view.images).luma(slice(None)) for view in (old, new)])
    np.testing.assert_array_equal(both.take(np.array([4, 0, 3])).luma(slice(None)), alone[[4, 0, 3]])
    np.testing.assert_allclose(both.mean_luma(), alone.mean(axis=(1, 2)))


def test_words_name_the_change():
    def words(warp, orientation=AS_IS, covered=0.0, sizes=((100, 80), (100, 80)), means=(100, 100), backwards=False):
        return what_was_done(warp, orientation, covered, sizes=sizes, means=means, backwards=backwards)

    warp = identity(1)[0]
    assert words(warp) == "re-saved"
    assert words(warp, MIRRORED, means=(100, 130)) == "mirrored, brighter"
    assert words(warp, means=(100, 130), backwards=True) == "darker"
    assert words(warp, sizes=((100, 80), (50, 40))) == "resized × 0.5"
    assert words(warp, covered=0.12) == "12% covered"
    zoomed = warp.copy()
    zoomed[:, 1:] *= 1.25
    assert words(zoomed, sizes=((100, 80), (80, 64))) == "cropped to 64%"


def test_a_table_sliced_from_a_larger_one_gives_the_same_answer():
    rows = [*scenes(5), copy(3, "resized"), copy(4, "mirrored")]
    whole = dataset(rows)
    part = dataclasses.replace(whole, images=whole.images.slice(2))
    rebuilt = dataclasses.replace(whole, images=pa.Table.from_pylist(whole.images.to_pylist()[2:], whole.images.schema))
    assert groups_of(part) == groups_of(rebuilt)
    assert len(groups_of(part)) == 2


def test_a_search_that_was_kept_is_the_search(planted):
    view, found = planted
    kept = pairs_from_tables(*pairs_to_tables(found), view.images)
    for name in ("node", "first", "pairs", "distance", "expected", "orientation", "warp", "covered"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(found, name))
    assert kept.tail == found.tail
    assert kept.confirm(found.pairs[:5], 0.5).all()


def test_a_kept_search_of_other_images_is_refused(planted):
    view, found = planted
    with pytest.raises(ValueError, match="do not belong to 3 images"):
        pairs_from_tables(*pairs_to_tables(found), view.images.slice(0, 3))


def test_a_search_that_a_view_brings_is_used_for_any_threshold_and_for_no_other_search(planted):
    view, found = planted
    brought = dataclasses.replace(view, copies=dataclasses.replace(found, pairs=found.pairs[:0]))
    assert find_within(brought, NearConfig(threshold=0.3)) is brought.copies
    assert len(find_within(brought, NearConfig(candidates=5))) >= len(found)

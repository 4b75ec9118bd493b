"""Drawn scenes: the same seed draws the same picture, and what was planted is there."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from audit.scenes import PROBLEMS, PlantedFile, calibration_pictures, draw_scene, planted_candidate, planted_reference
from audit.scenes.backgrounds import BACKGROUNDS
from audit.scenes.objects import OBJECTS


@pytest.fixture(scope="module")
def reference() -> list[PlantedFile]:
    return planted_reference(seed=5, n_per_class=10)


def test_the_same_generator_state_draws_the_same_pixels() -> None:
    first, second = (draw_scene(np.random.default_rng(3), "car", "street") for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.box == second.box


@pytest.mark.parametrize("label", sorted(OBJECTS))
def test_an_object_covers_a_visible_part_of_its_box(label: str) -> None:
    scene = draw_scene(np.random.default_rng(1), label, "snow")
    x0, y0, x1, y1 = scene.box
    assert 0 <= x0 < x1 <= scene.image.width
    assert 0 <= y0 < y1 <= scene.image.height
    assert (x1 - x0) * (y1 - y0) > 0.05 * scene.image.width * scene.image.height


def test_places_look_different_from_each_other() -> None:
    means = {
        name: draw(np.random.default_rng(0), 96, 128).mean(axis=(0, 1)).round().tolist()
        for name, draw in BACKGROUNDS.items()
    }
    assert len({tuple(mean) for mean in means.values()}) == len(BACKGROUNDS)


def test_calibration_pictures_are_fixed_and_square() -> None:
    pictures = calibration_pictures(3, 64)
    assert pictures.shape == (3, 64, 64, 3)
    assert pictures.dtype == np.uint8
    assert np.array_equal(pictures, calibration_pictures(3, 64))


def test_every_kind_of_problem_is_planted_in_one_of_the_two_datasets(reference: list[PlantedFile]) -> None:
    candidate = planted_candidate(reference, seed=5, n_per_class=6)
    kinds = {f.problem for f in [*reference, *candidate]} - {""}
    assert kinds == set(PROBLEMS) - {"shortcut", "missing_class"}


def test_paths_are_unique_and_name_split_and_class(reference: list[PlantedFile]) -> None:
    paths = [f.path for f in reference]
    assert len(set(paths)) == len(paths)
    assert {p.split("/")[0] for p in paths} == {"train", "test"}
    assert {p.split("/")[1] for p in paths} == set(OBJECTS)


def test_exact_copies_have_the_bytes_of_their_original_and_near_copies_do_not(reference: list[PlantedFile]) -> None:
    by_path = {f.path: f for f in reference}
    for f in reference:
        if f.problem == "exact_copy":
            assert f.data == by_path[f.of].data
        if f.problem in {"near_copy", "split_leak"}:
            assert f.data != by_path[f.of].data


def test_a_wrong_label_is_the_folder_of_another_class(reference: list[PlantedFile]) -> None:
    wrong = [f for f in reference if f.problem == "wrong_label"]
    assert len(wrong) == 12
    assert all(f.truth in OBJECTS and f.path.split("/")[1] != f.truth for f in wrong)


def test_corrupt_files_do_not_open_and_all_others_do(reference: list[PlantedFile]) -> None:
    for f in reference:
        if f.problem == "corrupt":
            with pytest.raises((OSError, UnidentifiedImageError, SyntaxError)):
                Image.open(io.BytesIO(f.data)).load()
        else:
            Image.open(io.BytesIO(f.data)).load()


def test_another_seed_draws_another_dataset() -> None:
    digests = {
        hashlib.sha256(b"".join(f.data for f in planted_reference(seed=seed, n_per_class=8))).hexdigest()
        for seed in (1, 2)
    }
    assert len(digests) == 2

"""The training of the bundled extractor: what it shows, what it measures, what it starts from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from audit.extractors._mobilenet import Trunk
from infra.train_extractor.teacher import read_teacher
from infra.train_extractor.train import TEACHER, difference
from infra.train_extractor.views import draw, resized


def pictures(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_teacher_and_student_see_the_same_pictures_at_their_own_size() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(12):
        views = draw(pictures(9), 4, (96, 48), generator)
        assert views.teacher.shape == (4, 3, 96, 96)
        assert views.student.shape == (4, 3, 48, 48)
        coarse = [resized(one, 12) for one in (views.teacher, views.student)]
        assert float((coarse[0] - coarse[1]).abs().max()) < 0.1
        assert float(views.student.min()) >= 0
        assert float(views.student.max()) <= 1


def test_equal_seeds_draw_equal_views() -> None:
    one, other = (draw(pictures(9), 4, (64, 32), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one.teacher, other.teacher)


def test_pictures_are_resized_as_pillow_resizes_them() -> None:
    picture = pictures(1)[0]
    expected = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((24, 24), Image.Resampling.BILINEAR)
    found = resized(picture[None].float() / 255, 24)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(found - np.asarray(expected)).max() <= 1.5


def test_equal_maps_do_not_differ_and_a_shift_of_one_deviation_counts_one() -> None:
    maps = torch.randn(8, 5, 4, 4, generator=torch.Generator().manual_seed(2))
    assert float(difference(maps, maps)) == 0
    variance = maps.var((0, 2, 3), keepdim=True)
    shifted = maps + torch.sqrt(variance + 0.1 * variance.mean())
    assert float(difference(shifted, maps)) == pytest.approx(1, abs=1e-5)


def test_a_map_of_the_trunk_halves_with_each_stride() -> None:
    with torch.inference_mode():
        maps = Trunk()(torch.zeros(1, 3, 64, 64))
    assert [tuple(one.shape[1:]) for one in maps] == [
        (16, 32, 32),
        (24, 16, 16),
        (32, 8, 8),
        (64, 4, 4),
        (96, 4, 4),
        (160, 2, 2),
        (320, 2, 2),
        (1280, 2, 2),
    ]


@pytest.mark.data
def test_the_teacher_is_torchvisions_network_with_its_normalisations_folded(shared_data: Path) -> None:
    from audit.extractors import _torchvision

    _torchvision.prepare()
    from safetensors.torch import load_file
    from torchvision.models import mobilenet_v2

    reference = mobilenet_v2(weights=None)
    missing = reference.load_state_dict(load_file(shared_data / TEACHER), strict=False).missing_keys
    assert set(missing) == {"classifier.1.weight", "classifier.1.bias"}
    shown = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected = reference.eval().features(shown)
        found = read_teacher(shared_data / TEACHER)(shown)[-1]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)

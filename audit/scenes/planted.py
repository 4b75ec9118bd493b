"""Two small datasets of drawn scenes in which every problem is known, because it was planted.

The reference is a train/test dataset with copies, leakage, outliers, wrong labels and bad files, and one class that is
always shown in the same place. The candidate shows the same classes in other places and other light, lacks one class,
and shares some pictures with the reference.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from audit.scenes.objects import OBJECTS
from audit.scenes.scene import draw_scene

HABITATS: Mapping[str, tuple[str, ...]] = {
    "car": ("street", "street", "meadow", "snow"),
    "sailboat": ("beach",),
    "mushroom": ("forest", "forest", "meadow", "room"),
    "balloon": ("meadow", "street", "snow", "meadow"),
    "mug": ("room", "room", "street", "beach"),
    "flower": ("meadow", "forest", "room", "snow"),
}
"""Where each class is shown in the reference. The sailboat is never seen off the beach: the planted shortcut."""

CANDIDATE_HABITATS: Mapping[str, tuple[str, ...]] = {
    "car": ("snow", "snow", "room"),
    "sailboat": ("snow", "room", "beach"),
    "mushroom": ("snow", "room"),
    "balloon": ("snow", "snow", "forest"),
    "mug": ("snow", "room"),
}
"""The candidate: mostly snow, and no flowers."""

SHORTCUT = ("sailboat", "beach")


@dataclass(frozen=True)
class PlantedFile:
    """One file of a planted dataset.

    Attributes
    ----------
    path : str
        ``split/class/name``, with ``/``.
    data : bytes
    problem : str
        A key of :data:`PROBLEMS`, or "" for a sound picture.
    of : str
        For a copy: path of the original (for leakage between the datasets, in the reference).
    truth : str
        For a wrong label: the class it really shows.
    place : str
        Background it was drawn before, "" where there is none.
    """

    path: str
    data: bytes
    problem: str = ""
    of: str = ""
    truth: str = ""
    place: str = ""


PROBLEMS: Mapping[str, str] = {
    "exact_copy": "exact copies",
    "near_copy": "near-copies",
    "split_leak": "leakage from train into test",
    "dataset_leak": "leakage from reference into candidate",
    "outlier": "outliers",
    "wrong_label": "wrong labels",
    "dark": "dark pictures",
    "blurred": "blurred pictures",
    "corrupt": "unreadable files",
    "shortcut": "class with one background",
    "missing_class": "class missing in the candidate",
}
"""What was planted, and how it is called to people."""


def planted_reference(*, seed: int, n_per_class: int = 56) -> list[PlantedFile]:
    """The reference dataset: 6 classes in train and test, and 66 planted problems."""
    rng = np.random.default_rng([seed, 0])
    sound = list(_sound(rng, HABITATS, n_per_class))
    picks = rng.permutation([i for i, f in enumerate(sound) if f.path.startswith("train/")])
    originals = [sound[i] for i in picks[:28]]
    relabelled = {int(i) for i in picks[28:40]}
    files = [_with_wrong_label(rng, f) if i in relabelled else f for i, f in enumerate(sound)]
    files += [_renamed(f, f"copy_{i:02d}", f.data, "exact_copy") for i, f in enumerate(originals[:8])]
    files += [_near_copy(f, i, "near_copy", f.path) for i, f in enumerate(originals[8:18])]
    for i, f in enumerate(originals[18:28]):
        leaked = _near_copy(f, i, "split_leak", f.path.replace("train/", "test/", 1))
        files.append(leaked)
    files += list(_outliers(rng))
    files += list(_bad_pictures(rng))
    files += list(_unreadable(originals[0].data))
    return sorted(files, key=lambda f: f.path)


def planted_candidate(reference: Sequence[PlantedFile], *, seed: int, n_per_class: int = 48) -> list[PlantedFile]:
    """The candidate dataset: other places, evening light, five classes, and 10 pictures of the reference."""
    rng = np.random.default_rng([seed, 1])
    files = [_in_evening_light(f) for f in _sound(rng, CANDIDATE_HABITATS, n_per_class)]
    shared = [f for f in reference if not f.problem and f.path.split("/")[1] in CANDIDATE_HABITATS]
    for i, k in enumerate(rng.choice(len(shared), 10, replace=False)):
        files.append(_near_copy(shared[int(k)], i, "dataset_leak", shared[int(k)].path))
    return sorted(files, key=lambda f: f.path)


def _sound(rng: np.random.Generator, habitats: Mapping[str, tuple[str, ...]], n: int) -> Iterator[PlantedFile]:
    for label, places in habitats.items():
        for i in range(n):
            width, height = ((256, 192), (240, 240), (288, 192))[int(rng.integers(3))]
            place = places[int(rng.integers(len(places)))]
            scene = draw_scene(rng, label, place, size=(width, height))
            split = "test" if i % 4 == 3 else "train"
            yield PlantedFile(f"{split}/{label}/{label}_{i:03d}.jpg", _jpeg(scene.image, 90), place=place)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _open(file: PlantedFile) -> Image.Image:
    return Image.open(io.BytesIO(file.data)).convert("RGB")


def _renamed(file: PlantedFile, stem: str, data: bytes, problem: str) -> PlantedFile:
    folder = file.path.rsplit("/", 1)[0]
    return PlantedFile(f"{folder}/{stem}.jpg", data, problem, of=file.path, place=file.place)


def _near_copy(file: PlantedFile, i: int, problem: str, path: str) -> PlantedFile:
    """A copy that was recompressed, scaled, brightened, cropped or mirrored, in turn."""
    image = _open(file)
    width, height = image.size
    changed = (
        lambda: image,
        lambda: image.resize((width * 3 // 5, height * 3 // 5), Image.Resampling.LANCZOS),
        lambda: ImageEnhance.Brightness(image).enhance(1.2),
        lambda: image.crop((width // 40, height // 40, width - width // 40, height - height // 40)),
        lambda: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    )[i % 5]()
    folder = path.rsplit("/", 1)[0]
    return PlantedFile(f"{folder}/{problem}_{i:02d}.jpg", _jpeg(changed, 60), problem, of=file.path, place=file.place)


def _with_wrong_label(rng: np.random.Generator, file: PlantedFile) -> PlantedFile:
    split, label, name = file.path.split("/")
    wrong = str(rng.choice([other for other in OBJECTS if other != label]))
    return PlantedFile(f"{split}/{wrong}/{name}", file.data, "wrong_label", truth=label, place=file.place)


def _in_evening_light(file: PlantedFile) -> PlantedFile:
    pixels = np.asarray(_open(file), dtype=np.float32) * np.asarray([0.8, 0.66, 0.62], np.float32)
    return PlantedFile(file.path, _jpeg(Image.fromarray(pixels.astype(np.uint8)), 90), place=file.place)


def _outliers(rng: np.random.Generator) -> Iterator[PlantedFile]:
    """Things that got into the folder by mistake: a page, a chart, a barcode, a test card, a star map, a plan."""
    for i, draw in enumerate((_page, _chart, _barcode, _test_card, _stars, _floor_plan)):
        label = list(OBJECTS)[i % len(OBJECTS)]
        yield PlantedFile(f"train/{label}/stray_{i:02d}.png", _png(draw(rng)), "outlier")


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _page(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (256, 192), (250, 249, 244))
    draw = ImageDraw.Draw(image)
    for y in range(16, 180, 9):
        x = 18
        while x < 236:
            word = int(rng.integers(8, 34))
            draw.rectangle((x, y, min(x + word, 238), y + 4), fill=(38, 38, 42))
            x += word + 6
    return image


def _chart(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (256, 192), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for i, value in enumerate(rng.uniform(20, 140, 9)):
        draw.rectangle((26 + 24 * i, 168 - value, 44 + 24 * i, 168), fill=(52, 120, 196))
    draw.line((18, 12, 18, 168, 246, 168), fill=(20, 20, 20), width=2)
    return image


def _barcode(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (256, 192), (255, 255, 255))
    draw, x = ImageDraw.Draw(image), 20
    while x < 232:
        bar = int(rng.integers(1, 6))
        draw.rectangle((x, 18, x + bar - 1, 160), fill=(0, 0, 0))
        x += bar + int(rng.integers(1, 6))
    return image


def _test_card(_: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (256, 192))
    draw = ImageDraw.Draw(image)
    bars = (
        (235, 235, 235),
        (235, 235, 16),
        (16, 235, 235),
        (16, 235, 16),
        (235, 16, 235),
        (235, 16, 16),
        (16, 16, 235),
    )
    for i, colour in enumerate(bars):
        draw.rectangle((i * 256 // 7, 0, (i + 1) * 256 // 7, 192), fill=colour)
    return image


def _stars(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (256, 192), (4, 6, 16))
    draw = ImageDraw.Draw(image)
    for x, y, r in zip(rng.uniform(0, 256, 260), rng.uniform(0, 192, 260), rng.exponential(0.7, 260), strict=True):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 248, 238))
    return image


def _floor_plan(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (256, 192), (20, 58, 122))
    draw = ImageDraw.Draw(image)
    for k in range(0, 256, 16):
        draw.line((k, 0, k, 192), fill=(44, 84, 150))
        draw.line((0, k, 256, k), fill=(44, 84, 150))
    for _ in range(7):
        x, y = (int(v) * 16 for v in rng.integers(1, 8, 2))
        draw.rectangle((x, y, x + 16 * int(rng.integers(2, 7)), y + 48), outline=(236, 240, 250), width=2)
    return image


def _bad_pictures(rng: np.random.Generator) -> Iterator[PlantedFile]:
    labels = list(OBJECTS)
    for i in range(6):
        label = labels[i % len(labels)]
        scene = draw_scene(rng, label, HABITATS[label][0])
        dark = ImageEnhance.Brightness(scene.image).enhance(0.1)
        yield PlantedFile(f"train/{label}/dark_{i:02d}.jpg", _jpeg(dark, 90), "dark", place=scene.background)
        scene = draw_scene(rng, label, HABITATS[label][0])
        blurred = scene.image.filter(ImageFilter.GaussianBlur(4.5))
        yield PlantedFile(f"train/{label}/blurred_{i:02d}.jpg", _jpeg(blurred, 90), "blurred", place=scene.background)


def _unreadable(sound: bytes) -> Iterator[PlantedFile]:
    yield PlantedFile("train/mug/empty.jpg", b"", "corrupt")
    yield PlantedFile("train/mug/cut_off.jpg", sound[: len(sound) // 3], "corrupt")
    yield PlantedFile("train/mug/a_web_page.jpg", b"<!doctype html><title>404</title>", "corrupt")
    yield PlantedFile("train/mug/scrambled.png", b"\x89PNG\r\n\x1a\n" + sound[400:1400], "corrupt")

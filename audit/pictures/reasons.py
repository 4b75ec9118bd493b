"""Why an input is not among the usable pictures, and what is worth knowing about one that is.

Codes are a promise to users: they appear in ``images.parquet`` and in reports, and never change their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Stage = Literal["scan", "decode", "embed"]


@dataclass(frozen=True)
class Reason:
    """One reason code.

    Attributes
    ----------
    stage : str
        Where it is found: ``scan`` (bytes and header), ``decode`` (pixels) or ``embed`` (extractor).
    sentence : str
        What happened, for the owner of the pictures.
    action : str
        What to do about it.
    """

    stage: Stage
    sentence: str
    action: str


_COPY_AGAIN = "Copy or download the file again, or remove it."
_EXPORT_AGAIN = "Export it again as JPEG or PNG, or remove it."
_RUN_AGAIN = "Make sure nothing changes the source while it is read, then submit it again."

REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        "vanished": Reason("scan", "The file was listed but is no longer there.", _RUN_AGAIN),
        "unreadable": Reason("scan", "The file is there but cannot be read.", "Check its permissions and the disk."),
        "changed": Reason("scan", "The file changed while it was being read.", _RUN_AGAIN),
        "not_a_file": Reason("scan", "It is a link, device or other special file.", "Put a regular file in its place."),
        "outside_root": Reason("scan", "The name leads outside the dataset.", "Correct the path in the manifest."),
        "too_large": Reason("scan", "The file has more bytes than allowed.", "Shrink it, or raise the limit on bytes."),
        "bad_row": Reason("scan", "The row of the manifest names no picture.", "Correct or remove the row."),
        "missing": Reason(
            "scan", "The manifest names a file that is not there.", "Correct the path, or say where paths start from."
        ),
        "encrypted": Reason("scan", "The archive member is encrypted.", "Pack the archive again without a password."),
        "unsupported_compression": Reason(
            "scan", "The archive member is packed in a way that is not read.", "Pack it again (zip: deflate or store)."
        ),
        "corrupt_member": Reason("scan", "The archive member does not unpack to what it promises.", _COPY_AGAIN),
        "archive_bomb": Reason(
            "scan", "The archive member unpacks to far more than pictures do, so it was refused.", _EXPORT_AGAIN
        ),
        "hidden": Reason(
            "scan", "Skipped: its name starts with a dot.", "Nothing; or ask for hidden files to be read."
        ),
        "system_file": Reason("scan", "Skipped: an operating system left it behind.", "Nothing."),
        "nested_archive": Reason("scan", "Skipped: an archive inside the source.", "Give it as a source of its own."),
        "other_file": Reason("scan", "Skipped: by its name and bytes it is not a picture.", "Nothing."),
        "empty": Reason("scan", "The file has no bytes.", _COPY_AGAIN),
        "not_an_image": Reason("scan", "The file is not a picture, whatever its name says.", "Remove or replace it."),
        "unsupported_format": Reason("scan", "The picture is in a format that is not read.", _EXPORT_AGAIN),
        "corrupt_header": Reason("scan", "The file begins like a picture but its header is broken.", _COPY_AGAIN),
        "too_many_pixels": Reason(
            "scan",
            "The header promises more pixels than allowed, so it was not decoded.",
            "Shrink the picture, or raise the limit on pixels if it is genuine.",
        ),
        "metadata_bomb": Reason(
            "scan", "Its metadata unpacks to far more than a picture needs, so it was refused.", _EXPORT_AGAIN
        ),
        "truncated": Reason("decode", "The file ends before the picture does.", _COPY_AGAIN),
        "corrupt": Reason("decode", "The pixels cannot be decoded.", _COPY_AGAIN),
        "not_finite": Reason("decode", "Some pixels are not numbers (NaN or infinite).", _EXPORT_AGAIN),
        "unsupported_pixels": Reason("decode", "Its kind of pixels cannot be turned into RGB.", _EXPORT_AGAIN),
        "decoder_crashed": Reason("decode", "Decoding it ended the decoder process, twice.", _EXPORT_AGAIN),
        "timeout": Reason(
            "decode", "Decoding it took longer than allowed.", "Export it again, or raise the time limit."
        ),
        "out_of_memory": Reason(
            "decode", "Decoding it needs more memory than allowed.", "Shrink it, or raise the memory limit."
        ),
        "bad_embedding": Reason(
            "embed", "The extractor gave no usable vector for it.", "Look at the picture; it may be blank."
        ),
    }
)
"""Every reason code, in the order in which it can be met."""

NOTES: Mapping[str, str] = MappingProxyType(
    {
        "exif_orientation": "Turned upright as its EXIF orientation says.",
        "reduced_scale": "A large JPEG, decoded at 1/2, 1/4 or 1/8 of its size; its pixel hash is of that scale.",
        "first_frame": "Animated or of several pages; only the first is used.",
        "alpha_on_white": "Has transparent parts; they are shown on white.",
        "cmyk": "CMYK, converted to RGB without a colour profile.",
        "sixteen_bit": "16-bit grey, scaled so that 0..65535 becomes 0..255.",
        "float_pixels": "Integer or floating-point pixels without a fixed range, scaled to 0..255.",
        "icc_ignored": "Has a colour profile other than sRGB, which is not applied.",
        "wrong_extension": "Its name says another format than its content.",
    }
)
"""What is worth knowing about a picture that was read; kept in the column ``notes``."""

"""What people save to a file and give back: a versioned JSON object with the fingerprint of everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from audit.errors import ConfigError
from audit.fingerprint import canonical_json, fingerprint

LONGEST_NAME = 200


class Saved(BaseModel):
    """A model that is saved whole, and refused when something in it was changed since.

    kind : what its fingerprint is of
    noun : what people call it, as in "this is not ..."
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]
    noun: ClassVar[str]

    @property
    def fingerprint(self) -> str:
        """Name of the object, 64 hexadecimal digits: that of everything in it."""
        return fingerprint(self.kind, self)

    def plain(self) -> dict[str, Any]:
        """Plain values with the fingerprint; :meth:`from_plain` reads them."""
        value: dict[str, Any] = json.loads(canonical_json(self))
        return value | {"fingerprint": self.fingerprint}

    def to_json(self) -> bytes:
        """One JSON object with the fingerprint; :meth:`from_json` reads it."""
        return canonical_json(self.plain()) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ConfigError
            If it is something else, or was changed after it was saved.
        """
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"not {cls.noun}: {error}") from None
        return cls.from_plain(value)

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """Read plain values with their fingerprint; errors as :meth:`from_json`."""
        if not isinstance(value, Mapping):
            raise ConfigError(f"not {cls.noun}: an object is expected, not {type(value).__name__}")
        try:
            found = cls.model_validate({key: part for key, part in value.items() if key != "fingerprint"})
            own = found.fingerprint
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"not {cls.noun}: {where}{': ' if where else ''}{first['msg']}") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"not {cls.noun}: {error}") from None
        if own != value.get("fingerprint"):
            raise ConfigError(
                f"not {cls.noun}: something in it was changed after it was saved, so its fingerprint differs"
            )
        return found


def name_of(text: str) -> str:
    """A text made of other names, such as many neurons, short enough to be saved as a name."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"

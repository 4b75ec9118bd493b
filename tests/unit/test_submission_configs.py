"""A misspelt name in the configuration of an analysis is told with the one that was probably meant."""

from __future__ import annotations

import pytest

from audit.errors import ConfigError
from storage.records import AuditRequest
from workers.submission import check_request


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"vocabluary": {}}, r"settings: vocabluary: .*; did you mean 'vocabulary'\?"),
        ({"vocabulary": {"season": {"value": {"summer": "in summer"}}}}, r"season\.value: .*; did you mean 'values'\?"),
        ({"zzz": 1}, r"settings: zzz: Extra inputs are not permitted \(got 1\)$"),
        ({"tau": 2}, r"settings: tau: Input should be less than 1 \(got 2\)$"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest_there_is(config: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_request(AuditRequest(extractor="classical", analyses={"settings": config}), 1)

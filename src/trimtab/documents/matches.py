"""How requests are matched: by headers, paths and the like. Part of the Canary's service and analysis; used by those modules."""

from collections.abc import Mapping
from typing import ClassVar

from trimtab.documents.fields import Fields, Shapes, require_one_shape


class StringMatch(Fields, frozen=True, kw_only=True):
    """A text that is matched exactly, by its beginning, or by an RE2 expression."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None

    SHAPES: ClassVar[Shapes] = (("exact",), ("prefix",), ("regex",), ())

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)


class OriginMatch(Fields, frozen=True, kw_only=True):
    """An origin that is matched exactly, by its beginning, or by an RE2 expression."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None

    SHAPES: ClassVar[Shapes] = (("exact",), ("prefix",), ("regex",))

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)


class HeaderMatch(Fields, frozen=True, kw_only=True):
    """A header of an A/B test, matched exactly, by its beginning or end, or by an RE2 expression."""

    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    regex: str | None = None

    SHAPES: ClassVar[Shapes] = (("exact",), ("prefix",), ("suffix",), ("regex",))

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)


class HTTPMatch(Fields, frozen=True, kw_only=True):
    """Requests that the generated route is for; all that is given must hold."""

    authority: StringMatch | None = None
    gateways: tuple[str, ...] = ()
    headers: Mapping[str, StringMatch] = {}
    ignore_uri_case: bool = False
    method: StringMatch | None = None
    name: str | None = None
    port: int | None = None
    query_params: Mapping[str, StringMatch] = {}
    scheme: StringMatch | None = None
    source_labels: Mapping[str, str] = {}
    source_namespace: str | None = None
    uri: StringMatch | None = None
    without_headers: Mapping[str, StringMatch] = {}


class AnalysisMatch(Fields, frozen=True, kw_only=True):
    """One alternative of an A/B test; all that is given must hold."""

    headers: Mapping[str, HeaderMatch] = {}
    query_params: Mapping[str, StringMatch] = {}
    source_labels: Mapping[str, str] = {}

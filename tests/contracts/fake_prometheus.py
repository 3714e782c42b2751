"""A Prometheus as far as range selectors go: it keeps what it scraped and answers `name{labels}[seconds]` at a time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

SELECTOR = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\}\[(?P<seconds>\d+)s\]$")
MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"((?:[^"\\]|\\.)*)"')


@dataclass
class FakePrometheus:
    """Put `answer` at `/api/v1/query`. A query that loads more than `most` samples is refused in Prometheus' words."""

    most: int = 50_000_000
    closed: bool = False
    """Does a range include its beginning, as before Prometheus 3?"""
    kept: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    def scraped(self, at: float, value: float, name: str, **labels: str) -> None:
        self.kept.setdefault(tuple(sorted({"__name__": name, **labels}.items())), []).append((at, value))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        query, at = str(form["query"]), float(str(form["time"]))
        self.asked.append((query, at))
        found = SELECTOR.match(query)
        if found is None:
            return web.json_response({"status": "error", "errorType": "bad_data", "error": f"parse error: {query}"}, status=400)
        start = at - float(found["seconds"])
        series = {
            labels: [[moment, f"{value:g}"] for moment, value in pairs if self.within(moment, start, at)]
            for labels, pairs in self.kept.items()
            if matches(dict(labels), found)
        }
        if sum(map(len, series.values())) > self.most:
            error = "query processing would load too many samples into memory in query execution"
            return web.json_response({"status": "error", "errorType": "execution", "error": error}, status=422)
        result = [{"metric": dict(labels), "values": values} for labels, values in series.items() if values]
        return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": result}})

    def within(self, moment: float, start: float, at: float) -> bool:
        return (start < moment or (self.closed and start == moment)) and moment <= at


def matches(labels: Mapping[str, str], selector: re.Match[str]) -> bool:
    if labels["__name__"] != selector["name"]:
        return False
    for label, operator, wanted in MATCHER.findall(selector["labels"]):
        value = labels.get(label, "")
        same = re.fullmatch(wanted, value) is not None if "~" in operator else value == wanted
        if same == operator.startswith("!"):
            return False
    return True

"""Everything outside the cluster on one loopback port: a metrics server, webhooks, chats, by a script per namespace.

- `/prom/NAMESPACE/api/v1/query`, or `/prom/api/v1/query`, where the namespace is found in the query
- `/hook/NAMESPACE/NAME`: a webhook
- `/alert/NAMESPACE/ANYTHING`: a chat
- `/events`: the controller's own event webhook

A script has `metrics`, of which the first rule whose `match` is found in the query answers with its `value`, with the next of its `values`
(the last one repeats), or with `empty`, `nan`, `status` or, `delay` seconds late, with `series` many; with `when`, another value is given
while a living pod of a workload started with that content. `hooks` has for each name `status`, or `statuses`, one per call, and `body`
and `delay`; hooks without a rule answer 200.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from aiohttp import web

Raw = dict[str, Any]
Called = Callable[[str, str, Raw], None]
"""Told of each request: namespace, channel, what came and what was answered."""
Reads = Callable[[str, str], list[Raw]]
"""What each living pod of a workload started with."""


class World:
    """One for all scenarios of a run."""

    def __init__(self, reads: Reads, called: Called) -> None:
        self.port = 0
        self._reads, self._called = reads, called
        self._scripts: dict[str, Raw] = {}
        self._counts: dict[tuple[str, ...], int] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "World":
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/prom/api/v1/{rest:.*}", self._metrics)
        app.router.add_route("*", "/prom/{namespace}/api/v1/{rest:.*}", self._metrics)
        app.router.add_route("*", "/hook/{namespace}/{name}", self._hook)
        app.router.add_route("*", "/alert/{namespace}/{rest:.*}", self._alert)
        app.router.add_route("*", "/events", self._event)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def script(self, namespace: str, changes: Raw) -> None:
        """Sets or replaces parts of a namespace's script; hooks are merged by name, what is replaced counts its calls anew."""
        before = self._scripts.get(namespace, {"metrics": [], "hooks": {}})
        hooks = changes.get("hooks", {})
        self._scripts[namespace] = {"metrics": changes.get("metrics", before["metrics"]), "hooks": {**before["hooks"], **hooks}}
        for key in [key for key in self._counts if key[0] == namespace and (key[1] in hooks or "metrics" in changes)]:
            del self._counts[key]

    def _next(self, values: list[Any], *key: str) -> Any:
        position = self._counts.get(key, 0)
        self._counts[key] = position + 1
        return values[min(position, len(values) - 1)]

    async def _metrics(self, request: web.Request) -> web.Response:
        form: Raw = {**request.query, **(await request.post() if request.method == "POST" else {})}
        query = form.pop("query", "")
        namespace = request.match_info.get("namespace") or self._namespace_in(query)
        rule = self._rule(namespace, query)
        answer, status = self._answer(namespace, rule, query)
        headers = {name: value for name, value in request.headers.items() if name in ("Authorization", "X-Lab")}
        entry = {"path": f"api/v1/{request.match_info['rest']}", "query": query, **form}
        self._called(namespace, "queries", {**entry, **({"headers": headers} if headers else {}), "answer": answer})
        await asyncio.sleep(rule.get("delay", 0))
        if status != 200:
            return web.Response(status=status, text=json.dumps({"status": "error", "error": "lab"}))
        one = {"metric": {}, "value": [time.time(), str(answer)]}
        result = [] if answer in ("empty", "no rule") else [one] * rule.get("series", 1)
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    def _namespace_in(self, query: str) -> str:
        found = (name for name in self._scripts if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", query))
        return next(found, "")

    def _rule(self, namespace: str, query: str) -> Raw:
        if query == "vector(1)":  # Flagger asks this once, when it starts
            return {"value": 1}
        for index, rule in enumerate(self._scripts.get(namespace, {}).get("metrics", [])):
            if re.search(rule.get("match", ""), query):
                return {**rule, "index": index}
        return {}

    def _answer(self, namespace: str, rule: Raw, query: str) -> tuple[Any, int]:
        """What is answered, and with which status."""
        if "status" in rule:
            return f"HTTP {rule['status']}", rule["status"]
        if rule.get("empty"):
            return "empty", 200
        if rule.get("nan"):
            return "NaN", 200
        when = rule.get("when")
        if when and any(_has(data, when) for data in self._reads(namespace, when["workload"])):
            return when["value"], 200
        if "values" in rule:
            return self._next(rule["values"], namespace, "metric", str(rule["index"]), query), 200
        return rule.get("value", "no rule"), 200

    async def _hook(self, request: web.Request) -> web.Response:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        rule = self._scripts.get(namespace, {}).get("hooks", {}).get(name, {})
        status = self._next(rule["statuses"], namespace, name) if "statuses" in rule else rule.get("status", 200)
        self._called(namespace, "hooks", {"hook": name, **await _payload(request), "answer": status})
        await asyncio.sleep(rule.get("delay", 0))
        return web.Response(status=status, text=None if status in (204, 304) else rule.get("body", ""))

    async def _alert(self, request: web.Request) -> web.Response:
        self._called(request.match_info["namespace"], "alerts", {"to": request.match_info["rest"], **await _payload(request)})
        return web.Response(text="ok")

    async def _event(self, request: web.Request) -> web.Response:
        payload = await _payload(request)
        self._called(payload["body"].get("namespace", ""), "eventhook", payload)
        return web.Response(text="ok")


def _has(data: Raw, when: Raw) -> bool:
    """Did a pod start with the content that a rule is about?"""
    return str((data.get(when["config"]) or {}).get(when["key"])) == str(when["is"])


async def _payload(request: web.Request) -> Raw:
    text = await request.text()
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    return {"method": request.method, "headers": dict(request.headers), "body": body}

"""A repository that a person wrote by hand: a weighted Canary, and a blue/green one whose pods are a stock nginx."""

import os
import shutil

import pytest

from e2e.documents import canary, document, settings, shop
from e2e.harness import Load, Place, free_port, get

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(NGINX is None and not os.environ.get("CI"), reason="there is no nginx on this machine (Debian: nginx-light)"),
]
ROUNDS = {"interval": "1s", "threshold": 2, "iterations": 2}

CONFIG = """\
worker_processes 1;
error_log stderr;
pid nginx.pid;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:LISTEN;
    location / { return STATUS "GREETING"; }
    location = /healthz { return 200 "ok"; }
  }
}
"""
RENDER = 'sed "s/LISTEN/$PORT/" /etc/web/nginx.conf > /var/run/web/nginx.conf && exec "$0" -p /var/run/web -c nginx.conf -g "daemon off;"'


def config(greeting: str, status: int = 200) -> str:
    """The ConfigMap: a whole nginx configuration."""
    return document("ConfigMap", "web-config", data={"nginx.conf": CONFIG.replace("GREETING", greeting).replace("STATUS", str(status))})


def web(port: int, greeting: str = "blue") -> dict[str, str]:
    """Deployment, ConfigMap and Canary of the nginx."""
    container = {
        "name": "nginx",
        "image": "nginx:1.22",
        "command": ["/bin/sh", "-c", RENDER, str(NGINX)],
        "ports": [{"name": "http", "containerPort": 80}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}, {"name": "run", "mountPath": "/var/run/web"}],
    }
    volumes = [{"name": "config", "configMap": {"name": "web-config"}}, {"name": "run", "emptyDir": {}}]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], "volumes": volumes}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {
        "web.yaml": document("Deployment", "web", "apps/v1", spec=spec),
        "web-config.yaml": config(greeting),
        "web-canary.yaml": canary(port, ROUNDS, "web"),
    }


def test_a_weighted_and_a_blue_green_canary_run_side_by_side(here: Place, port: int) -> None:
    assert NGINX, "CI has to have an nginx: .ci/run installs it"
    here.repository.commit(shop(port) | web(free_port()))
    here.up()
    here.outcome(1)
    here.outcome(1, "web")
    with Load(here.port("web")) as blue, Load(here.port()) as load:
        here.repository.commit({"web-config.yaml": config("green"), "settings.yaml": settings("two")})
        checked = here.wait(lambda view: "checked beside it" in view["exposure"], "the canary is checked without traffic", "web")
        first, second = here.outcome(2), here.outcome(2, "web")
    assert (first["outcome"], second["outcome"]) == ("Promoted", "Promoted")
    assert second["changes"] == ['nginx.conf: line 14: location / { return 200 "blue"; } -> location / { return 200 "green"; }']
    assert checked["weight"] == 0
    assert not load.lost()
    assert not blue.lost()
    assert set(blue.bodies()) == {"blue", "green"}
    assert get(here.port("web")).body == "green"
    table = here.ok("status")
    assert "shop.default" in table
    assert "web.default" in table
    assert {attempt["canary"] for attempt in here.json("history")} == {"shop.default", "web.default"}

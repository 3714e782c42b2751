"""Do pods have the ports that Services and Canaries name?"""

import pytest

from unit.inspection.cases import findings, found, target

APP = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: app, image: x, ports: [{name: http, containerPort: 80}]}, {name: side, image: y}]}
"""
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {port: 79, targetPort: 8079}
  - {port: 80, targetPort: http}
---
"""
CANARY = """apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web, namespace: shop}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service:
    port: 80
    targetPort: http
  analysis: {interval: 1m, threshold: 1, stepWeight: 10}
---
"""
CHECK = "reference/port"


@pytest.mark.parametrize(
    ("document", "place"), [(SERVICE, "error 8: spec.ports[1].targetPort"), (CANARY, "error 8: spec.service.targetPort")]
)
def test_a_name_that_no_container_has_is_an_error_where_it_is_written(document: str, place: str) -> None:
    assert found(document + APP, CHECK) == []
    broken = document.replace("targetPort: http", "targetPort: htpp") + APP
    assert found(broken, CHECK) == [f"{place}: no container of deployment/web has a port of the name htpp"]
    assert [one.fix for one in findings(broken) if one.check == CHECK] == ["Did you mean http?"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{app: web}", "{app: other}"),
        ("targetPort: htpp", "targetPort: 81"),
        ("namespace: shop", "namespace: other"),
        ("selector: {app: web}", "type: ExternalName"),
    ],
)
def test_a_number_and_pods_that_are_not_here_say_nothing(old: str, new: str) -> None:
    assert found(SERVICE.replace("targetPort: http", "targetPort: htpp").replace(old, new) + APP, CHECK) == []


def test_pods_of_another_target_count() -> None:
    other = target(APP.replace("{name: web,", "{name: web-stable,").replace("name: http", "name: admin"), "web/stable")
    assert found(SERVICE.replace("http", "admin") + APP, CHECK, beside=[other]) == []
    assert found(SERVICE.replace("http", "metrics") + APP, CHECK, beside=[other]) != []

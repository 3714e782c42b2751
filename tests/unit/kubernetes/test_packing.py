"""How mirrors keep objects: nothing is lost, and objects that are much alike take little."""

from typing import Any

import msgspec

from trimtab.adapters.kubernetes.packing import Packing

Raw = dict[str, Any]


def workload(number: int) -> Raw:
    head = {"namespace": "shop", "name": f"app-{number}", "uid": f"{number:032x}", "resourceVersion": str(1000 + 7 * number)}
    container = {"name": "app", "image": f"registry.example/app:{number}", "envFrom": [{"configMapRef": {"name": f"app-{number}-config"}}]}
    template = {"metadata": {"labels": {"app": f"app-{number}"}}, "spec": {"containers": [container], "restartPolicy": "Always"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": head, "spec": {"replicas": 3, "template": template}}


def test_objects_come_back_as_they_were_and_those_that_are_alike_take_a_third_at_most() -> None:
    packing, objects = Packing(), [workload(number) for number in range(100)]
    packed = [packing.packed(found) for found in objects]
    assert [packing.unpacked(kept) for kept in packed] == objects
    assert 3 * sum(map(len, packed)) < sum(len(msgspec.json.encode(found)) for found in objects)


def test_an_object_that_is_like_no_other_comes_back_as_well() -> None:
    packing = Packing()
    for found in ({}, {"data": {"text": "äöü\u2028\x00"}}, workload(1), {"list": [1, 2.5, None, True]}):
        assert packing.unpacked(packing.packed(found)) == found

"""Our own kinds in a cluster where only Flagger ran before."""

from trimtab.adapters.kubernetes.definitions import bring_kinds

from .kubernetes_api import garbage, gives, status, talking

UNKNOWN = garbage("404 page not found\n", 404)
NOT_THERE = status(404, "NotFound", 'configrollouts.trimtab.dev "trimtab" not found', name="trimtab", kind="configrollouts")
MADE = gives({"kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {"name": "x"}})
FORBIDDEN = status(403, "Forbidden", "not you")


async def test_a_cluster_that_does_not_know_our_kinds_gets_them_and_they_are_waited_for() -> None:
    async with talking() as (api, client):
        api.says(UNKNOWN, MADE, status(409, "AlreadyExists"), MADE, UNKNOWN, NOT_THERE)
        assert await bring_kinds(client, "shop")
        made = [seen.body["metadata"]["name"] for seen in api.seen if seen.method == "POST"]
        assert made == ["rolloutpolicies.trimtab.dev", "configrollouts.trimtab.dev", "rolloutcommands.trimtab.dev"]
        assert [seen.method for seen in api.seen] == ["GET", "POST", "POST", "POST", "GET", "GET"]


async def test_nothing_is_made_where_the_kinds_are_known_or_may_be() -> None:
    for answer in (NOT_THERE, FORBIDDEN, status(503, "ServiceUnavailable")):
        async with talking() as (api, client):
            api.says(answer)
            assert not await bring_kinds(client, "shop")
            assert {seen.method for seen in api.seen} == {"GET"}


async def test_without_the_right_to_make_crds_it_is_left_to_the_first_list_to_say_so() -> None:
    async with talking() as (api, client):
        api.says(UNKNOWN, FORBIDDEN)
        assert not await bring_kinds(client, "shop")
        assert [seen.method for seen in api.seen] == ["GET", "POST"]

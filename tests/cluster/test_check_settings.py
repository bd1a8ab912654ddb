"""A setting that is wrong takes nothing from what `jhkube check` says of the rest, where the cluster answers, too."""

from __future__ import annotations

import pytest
from traitlets.config import Config

from jhkube.checks.configured import ConfiguredHub
from jhkube.checks.result import Status
from jhkube.checks.run import ImageChoice, check_hub


@pytest.mark.parametrize(
    ("wrong", "skipped"),
    [
        ({"ImageMenu": {"refresh_interval": "soon"}}, {"cluster", "permissions", "registry", "image"}),
        ({"JHKubeSpawner": {"start_timeout": "soon"}}, {"cluster", "permissions", "storage", "image"}),
        ({"GitHubOrgAuthenticator": {"client_id": 7}}, {"encryption", "callback", "provider", "image"}),
    ],
)
async def test_a_wrong_setting_is_told_and_the_rest_is_looked_at(cluster, github, wrong, skipped):
    good = {
        "JupyterHub": {
            "spawner_class": "jhkube",
            "authenticator_class": "jhkube-github",
            "hub_connect_url": f"http://{cluster.host}:8081",
        },
        "GitHubOrgAuthenticator": {"github_url": github.url, "allowed_organizations": {"observatory"}},
        "KubeSpawner": {"namespace": cluster.namespace},
        "ImageMenu": {"repositories": [f"{cluster.registry}/tiny"]},
    }
    config = Config({section: {**good.get(section, {}), **wrong.get(section, {})} for section in {*good, *wrong}})
    found = await check_hub(ConfiguredHub(config), ImageChoice(pod=False))
    assert [each.status for each in found if each.subject == "configuration"] == [Status.FAILED]
    assert {each.subject for each in found if each.status is Status.SKIPPED} == skipped
    assert not [each for each in found if "report it" in each.remedy]

"""What the unit tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import kube_config
from kubespawner.clients import _client_cache, load_config


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let a KubeSpawner be made where there is no cluster: it wants a kubeconfig, and makes no request here."""
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "none",
                "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
                "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "none", "user": {}}],
            }
        )
    )
    before = Configuration.get_default_copy()
    load_config.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield
    # Other tests of this process may have a cluster, and want clients of it.
    load_config.cache_clear()
    _client_cache.clear()
    Configuration.set_default(before)

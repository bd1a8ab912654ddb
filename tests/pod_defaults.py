"""Kubeflow's PodDefaults in a cluster: their CustomResourceDefinition, and objects of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubernetes_asyncio import client

from tests.accounts import kubectl

NAME = "poddefaults.kubeflow.org"
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": NAME},
    "spec": {
        "group": "kubeflow.org",
        "scope": "Namespaced",
        "names": {
            "plural": "poddefaults",
            "singular": "poddefault",
            "kind": "PodDefault",
            "listKind": "PodDefaultList",
        },
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


@asynccontextmanager
async def defined(api: client.ApiClient) -> AsyncIterator[None]:
    """Have PodDefaults in the cluster; nothing is taken away that was there before."""
    extensions = client.ApiextensionsV1Api(api)
    try:
        await extensions.create_custom_resource_definition(DEFINITION)
    except client.ApiException as error:
        if error.status != 409:
            raise
        yield
        return
    async with asyncio.timeout(240):
        await kubectl("wait", "--for=condition=Established", f"crd/{NAME}")
    try:
        yield
    finally:
        await extensions.delete_custom_resource_definition(NAME)


async def make_pod_default(
    api: client.ApiClient, namespace: str, name: str, label: str, spec: dict[str, Any]
) -> None:
    """Make a PodDefault that is chosen by a label."""
    body = {
        "apiVersion": "kubeflow.org/v1alpha1",
        "kind": "PodDefault",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {label: "true"}}, **spec},
    }
    await client.CustomObjectsApi(api).create_namespaced_custom_object(
        "kubeflow.org", "v1alpha1", namespace, "poddefaults", body
    )

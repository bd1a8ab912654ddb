# mypy: allow-untyped-calls
"""Whether the API server answers, the pods' namespace is there, and the hub's account may do what it will need."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes_asyncio import config as kubernetes_config
from kubernetes_asyncio.client import (
    ApiClient,
    ApiException,
    AuthenticationV1Api,
    AuthorizationV1Api,
    Configuration,
    CoreV1Api,
    VersionApi,
)

from jhkube.checks.configured import ConfiguredHub, NoClusterConfigured
from jhkube.checks.permissions import HubFacts
from jhkube.checks.result import Result, Subject
from jhkube.checks.roles import METRICS, Permission, role_rules
from jhkube.kube import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, error_text, own_namespace
from jhkube.pod.home import HomeKind
from jhkube.service.hub_config import OWN_DISKS, SERVICE_NAME

__all__ = [
    "CLUSTER",
    "PERMISSIONS",
    "Cluster",
    "NoCluster",
    "account_of",
    "cluster_results",
    "connected",
    "hub_facts",
    "may",
    "permission_results",
]

CLUSTER = Subject("cluster")
PERMISSIONS = Subject("permissions")

REQUEST_TIMEOUT = 15.0
"""Seconds for one answer of the API server."""

AT_ONCE = 16
"""Reviews that are under way at once."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster, as the hub's account sees it."""

    api: ApiClient
    namespace: str
    """Where the pods run."""

    account: str
    """Who the hub is there."""


class NoCluster(Exception):
    """The API server cannot be used; the message is a sentence, the remedy what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


async def connected(hub: ConfiguredHub) -> Cluster:
    """Return the cluster that the hub would use, once its API server has answered.

    Raises
    ------
    NoCluster
        Where it does not.
    """
    try:
        spawner = hub.spawner
    except NoClusterConfigured as error:
        raise NoCluster(error.message, error.remedy) from None
    configuration = await _configuration(spawner)
    api = ApiClient(configuration)
    try:
        return Cluster(api, spawner.namespace, await account_of(api))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        await api.close()
        raise NoCluster(
            f"the API server {configuration.host} does not answer: {error or type(error).__name__}",
            "Look at the address in KUBECONFIG (c.KubeSpawner.k8s_api_host), and whether this machine reaches it.",
        ) from None
    except ApiException as error:
        await api.close()
        if error.status not in (UNAUTHORIZED, FORBIDDEN):
            raise NoCluster(
                f"the API server {configuration.host} answers {error_text(error)}",
                "Try again in a minute; if it happens again, look at the API server, and at the proxy before it.",
            ) from None
        raise NoCluster(
            f"the API server {configuration.host} does not let the hub in: {error_text(error)}",
            "Give the hub a service account (serviceAccountName), or a KUBECONFIG whose credentials still hold.",
        ) from None
    except (AttributeError, LookupError, TypeError, ValueError):
        # The client makes its objects of whatever it is sent, such as the page of a login.
        await api.close()
        raise NoCluster(
            f"what answers at {configuration.host} is not a Kubernetes API server",
            "Look at the address in KUBECONFIG (c.KubeSpawner.k8s_api_host): a proxy may answer in its place.",
        ) from None


async def _configuration(spawner: Any) -> Configuration:
    """Return what KubeSpawner's clients are made with, read again: it reads the files once in a process."""
    configuration = Configuration()
    try:
        kubernetes_config.load_incluster_config(client_configuration=configuration)
    except kubernetes_config.ConfigException:
        await kubernetes_config.load_kube_config(
            config_file=os.environ.get("KUBECONFIG"), client_configuration=configuration, persist_config=False
        )
    configuration.host = spawner.k8s_api_host or configuration.host
    configuration.ssl_ca_cert = spawner.k8s_api_ssl_ca_cert or configuration.ssl_ca_cert
    if spawner.k8s_api_verify_ssl is not None:
        configuration.verify_ssl = spawner.k8s_api_verify_ssl
    return configuration


async def account_of(api: ApiClient) -> str:
    """Return who we are to the API server; empty where it is too old to say."""
    await VersionApi(api).get_code(_request_timeout=REQUEST_TIMEOUT)
    reviews: Any = AuthenticationV1Api(api)
    try:
        review = await reviews.create_self_subject_review({}, _request_timeout=REQUEST_TIMEOUT)
    except ApiException as error:
        # Before Kubernetes 1.28 nobody but an administrator may ask for what is not there.
        if error.status in (NOT_FOUND, FORBIDDEN):
            return ""
        raise
    return str(review.status.user_info.username)


async def cluster_results(cluster: Cluster, facts: HubFacts) -> AsyncIterator[Result]:
    """Yield whether the pods' namespace is there."""
    who = f" as {cluster.account}" if cluster.account else ""
    yield CLUSTER.passed(f"the API server {cluster.api.configuration.host} answers{who}")
    if facts.user_namespaces:
        yield CLUSTER.passed("every person has a namespace of their own, which their first start makes")
        return
    try:
        await _look_for_namespace(CoreV1Api(cluster.api), cluster.namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:
            # The missing permission is told by its own check.
            yield CLUSTER.skipped(
                f"whether there is a namespace {cluster.namespace} is not to be known by this account"
            )
            return
        yield CLUSTER.failed(
            f"there is no namespace {cluster.namespace}",
            f"kubectl create namespace {cluster.namespace}, or set c.KubeSpawner.namespace (JHKUBE_NAMESPACE).",
        )
        return
    yield CLUSTER.passed(f"pods run in the namespace {cluster.namespace}")
    if facts.waiting_priority_class:
        yield await _priority_class(CoreV1Api(cluster.api), cluster.namespace, facts.waiting_priority_class)


async def _priority_class(core: Any, namespace: str, name: str) -> Result:
    """Say whether a pod could have a PriorityClass: a hub may not read those, but it may create pods."""
    container = {"name": "check", "image": "none"}
    spec = {"priorityClassName": name, "containers": [container]}
    pod = {"metadata": {"generateName": "jhkube-check-"}, "spec": spec}
    try:
        await core.create_namespaced_pod(namespace, pod, dry_run="All", _request_timeout=REQUEST_TIMEOUT)
    except ApiException as error:
        said = error_text(error)
        if error.status == FORBIDDEN and f"no PriorityClass with name {name} was found" in said:
            return CLUSTER.failed(
                f"there is no PriorityClass {name}, so no pod can wait for its start",
                "Create it (kubectl create priorityclass), or correct c.JHKubeSpawner.start_ahead_priority_class.",
            )
        return CLUSTER.skipped(f"whether there is a PriorityClass {name} is not to be known: {said}")
    return CLUSTER.passed(f"pods that wait for a start have the PriorityClass {name}")


async def _look_for_namespace(core: Any, namespace: str) -> None:
    """Raise what the API server says where it does not know a namespace."""
    try:
        await core.read_namespace(namespace, _request_timeout=REQUEST_TIMEOUT)
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        # A hub may not read namespaces, but it may create Secrets; this one is only tried.
        secret = {"metadata": {"generateName": "jhkube-check-"}}
        await core.create_namespaced_secret(namespace, secret, dry_run="All", _request_timeout=REQUEST_TIMEOUT)


def hub_facts(hub: ConfiguredHub) -> HubFacts:
    """Return what the configuration makes the hub ask of the API server."""
    spawner, secret = hub.spawner, hub.menu.credentials_secret
    internal_ssl = bool(hub.app.internal_ssl)
    commands = [each for each in hub.app.services if each.get("name") == SERVICE_NAME and each.get("command")]
    return HubFacts(
        namespace=spawner.namespace,
        user_namespaces=spawner.enable_user_namespaces,
        own_claims=spawner.home == HomeKind.PVC or spawner.storage_pvc_ensure,
        deletes_claims=spawner.delete_pvc,
        events=spawner.events_enabled,
        services=spawner.services_enabled,
        internal_ssl=internal_ssl,
        reviews_rights=bool(spawner.cluster_accounts),
        quotas=spawner.enable_user_namespaces and spawner.ceilings_are_quotas,
        marks_ready=spawner.mark_ready_images,
        keeps_logs=spawner.keep_failed_logs,
        own_secrets=spawner.own_secrets,
        home_leases=spawner.home_lease,
        home_lease_namespace=spawner.home_lease_namespace,
        mounts_own_disks=spawner.own_disks,
        reads_pod_defaults=spawner.pod_defaults != "off",
        runs_my_servers=bool(commands),
        makes_own_disks=any(each.get("environment", {}).get(OWN_DISKS, "0") != "0" for each in commands),
        starts_ahead=spawner.start_ahead != "off",
        waiting_priority_class=spawner.start_ahead_priority_class if spawner.start_ahead != "off" else "",
        pull_secret=secret if not secret or "/" in secret else f"{own_namespace()}/{secret}",
    )


async def may(cluster: Cluster, permission: Permission) -> bool:
    """Return whether the account that asks has a permission."""
    api: Any = AuthorizationV1Api(cluster.api)
    review = await api.create_self_subject_access_review(_review(permission), _request_timeout=REQUEST_TIMEOUT)
    return bool(review.status.allowed)


async def permission_results(
    cluster: Cluster,
    wanted: Sequence[Permission],
    subject: Subject = PERMISSIONS,
    whose: str = "the hub's account",
) -> AsyncIterator[Result]:
    """Yield what an account may not do, with the rule that a Role lacks.

    Parameters
    ----------
    cluster
        The API server, as that account asks it.
    wanted
        What it will need.
    subject
        What the results are about.
    whose
        Which account that is, for people.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def allowed(each: Permission) -> bool:
        async with slots:
            return await may(cluster, each)

    answers = await asyncio.gather(*map(allowed, wanted))
    missing = [each for each, answer in zip(wanted, answers, strict=True) if not answer]
    who = cluster.account or whose
    if not missing:
        yield subject.passed(f"{who} may do all {len(wanted)} things that it will need")
    by_resource: dict[tuple[str | None, str, str, bool], list[Permission]] = {}
    for each in missing:
        by_resource.setdefault((each.namespace, each.group, each.resource, each.needed), []).append(each)
    for (namespace, group, resource, needed), lacking in by_resource.items():
        what = "; ".join(f"{each.verb} (to {each.reason})" for each in lacking)
        place = f"in the namespace {namespace}" if namespace else "in the whole cluster"
        what_of = f"{resource}.{group}" if group == METRICS else resource
        text = f"{who} may not, on {what_of} {place}: {what}"
        remedy = _remedy(lacking, namespace, whose)
        yield subject.failed(text, remedy) if needed else subject.warning(text, remedy)


def _review(permission: Permission) -> Mapping[str, Any]:
    resource, _, subresource = permission.resource.partition("/")
    attributes = {"verb": permission.verb, "resource": resource, "group": permission.group}
    if subresource:
        attributes["subresource"] = subresource
    if permission.namespace:
        attributes["namespace"] = permission.namespace
    if permission.name:
        attributes["name"] = permission.name
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def _remedy(lacking: Iterable[Permission], namespace: str | None, whose: str) -> str:
    """Return the lines that belong into a Role, as YAML."""
    kind = f"Role of {whose} in {namespace}" if namespace else f"ClusterRole of {whose}"
    rules = [rule for found in role_rules(lacking).values() for rule in found]
    lines = [f"  - {{{', '.join(f'{key}: {json.dumps(value)}' for key, value in rule.items())}}}" for rule in rules]
    return "\n".join([f"Add to the rules of the {kind}:", *lines])

"""What an operator configures of the prepuller: the traits of `Prepuller`."""

from __future__ import annotations

import re
from typing import Any

from traitlets import Dict, Enum, Integer, List, TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from jhkube.operator_models import FiniteFloat
from jhkube.prepull.manifests import HELPERS

__all__ = ["PrepullerConfig"]


class PrepullerConfig(LoggingConfigurable):
    """The traits of `Prepuller`; they are set as `c.Prepuller.…`."""

    count = Integer(
        4,
        min=0,
        help="""
        How many images of the menu are kept on the nodes. Images that are selected by default, such as `recommended`,
        come first, then the pinned ones, then the others in the order of `c.ImageMenu.offers`.

        For example::

            c.Prepuller.count = 8
        """,
    ).tag(config=True)

    groups: Any = List(
        Unicode(),
        None,
        allow_none=True,
        help="""
        The hub groups whose offers count, in addition to what is offered to everybody. By default the offers of all
        groups count.

        For example, to leave out what only developers see::

            c.Prepuller.groups = ["students", "staff"]
        """,
    ).tag(config=True)

    namespace = Unicode(
        help="""
        The namespace of the pods that pull. By default it is that of the labs, which has the Secrets for the
        registry, or the prepuller's own namespace if each person has a namespace.

        For example::

            c.Prepuller.namespace = "hub"
        """,
    ).tag(config=True)

    name = Unicode(
        "jhkube-prepull",
        help="""
        The name of the DaemonSet and of its ConfigMap, with at most 63 characters. Two prepullers in one namespace
        need two names.

        For example::

            c.Prepuller.name = "jhkube-prepull-arm"
        """,
    ).tag(config=True)

    deployment = Unicode(
        help="""
        The name of the Deployment, in the same namespace, that runs the prepuller. The prepuller's objects are then
        deleted together with that Deployment, even if the prepuller was killed and could not delete them itself.

        For example::

            c.Prepuller.deployment = "jhkube-prepuller"
        """,
    ).tag(config=True)

    nodes_at_once = Integer(
        10,
        min=1,
        help="""
        The number of nodes that pull images at the same time when the menu changes. A node pulls one image after the
        other. A node that joins the cluster pulls immediately.

        For example, for a registry with little bandwidth::

            c.Prepuller.nodes_at_once = 2
        """,
    ).tag(config=True)

    retry_after = FiniteFloat(
        900.0,
        min=1,
        help="""
        Seconds after which an image that could not be pulled is tried again. Until then it is left out, so that it
        does not delay the others.

        For example::

            c.Prepuller.retry_after = 3600
        """,
    ).tag(config=True)

    patience = FiniteFloat(
        120.0,
        min=0,
        help="""
        Seconds for which an image may fail because of a problem that may go away on its own, such as a registry that
        does not answer or a full disk of a node, before it is left out for a while. An image with a permanent
        problem, such as one that does not exist, is left out immediately. If another node has the image, it stays in:
        then only that one node has a problem.

        For example::

            c.Prepuller.patience = 600
        """,
    ).tag(config=True)

    node_selector: Any = Dict(
        default_value=None,
        allow_none=True,
        help="""
        The labels of the nodes that images are pulled to. By default the nodes are those that the configuration of
        JHKubeSpawner lets labs run on: `node_selector`, `node_affinity_required`, `tolerations`, and of each of its
        `sizes` the selector and the tolerations. If set, it replaces all selectors and affinities.

        For example::

            c.Prepuller.node_selector = {"hub.jupyter.org/node-purpose": "user"}
        """,
    ).tag(config=True)

    tolerations: Any = List(
        Dict(),
        None,
        allow_none=True,
        help="""
        The tolerations of the pods. They replace the tolerations of the labs; see `node_selector`.

        For example::

            c.Prepuller.tolerations = [{"key": "hub.jupyter.org/dedicated", "operator": "Exists"}]
        """,
    ).tag(config=True)

    architecture = Enum(
        list(HELPERS),
        None,
        allow_none=True,
        help="""
        The architecture of the nodes, as in their label `kubernetes.io/arch`. By default it is that of
        `c.ImageMenu.platform`. A cluster with nodes of both architectures needs two prepullers with different names.

        For example::

            c.Prepuller.architecture = "arm64"
        """,
    ).tag(config=True)

    image_pull_secrets: Any = List(
        Unicode(),
        None,
        allow_none=True,
        help="""
        The names of the Secrets for the registries. By default they are those of the labs.

        For example::

            c.Prepuller.image_pull_secrets = ["image-pull-secret"]
        """,
    ).tag(config=True)

    priority_class_name = Unicode(
        help="""
        The PriorityClass of the pods that pull. It must exist. If its priority is lower than that of the labs, the
        scheduler can evict a pod to make room for a lab; the images stay on the node.

        For example::

            c.Prepuller.priority_class_name = "jhkube-prepull"
        """,
    ).tag(config=True)

    resources = Dict(
        default_value={"requests": {"cpu": "1m", "memory": "8Mi"}},
        help="""
        The resources of each container of the pods that pull. Namespaces with a quota also need limits.

        For example::

            c.Prepuller.resources = {
                "requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"},
            }
        """,
    ).tag(config=True)

    pause_image = Unicode(
        "registry.k8s.io/pause:3.10",
        help="""
        The image of the container that keeps the pod running after all images were pulled.

        For example, from a mirror::

            c.Prepuller.pause_image = "registry.example.org/mirror/pause:3.10"
        """,
    ).tag(config=True)

    @validate("name")
    def _valid_name(self, proposal: Any) -> str:
        # It is the value of a label too, by which the pods are found.
        name = str(proposal["value"])
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise TraitError(
                "c.Prepuller.name should be at most 63 small letters, digits and dashes, with a letter or digit at"
                f" both ends, not {name!r}"
            )
        return name

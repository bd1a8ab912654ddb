"""What an operator lets people choose, and up to which limits: traits of JHKubeSpawner, parsed into values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from traitlets import Bool, Dict, Enum, List, validate
from traitlets.config import Configurable

from jhkube.operator_models import FiniteFloat, checked_trait
from jhkube.options_form.environment import Variable, parse_environment_names
from jhkube.options_form.presets import Preset, parse_presets
from jhkube.options_form.sizes import DEFAULT_SIZES, GUARANTEE_RATIO, Size, parse_sizes
from jhkube.pod.limits import Ceilings, parse_ceilings

__all__ = ["ChoiceConfig"]

_PARSERS: Final[dict[str, Callable[[Any], object]]] = {
    "ceilings": parse_ceilings,
    "environment_names": parse_environment_names,
    "guarantee_ratio": lambda ratio: parse_sizes((), ratio),
    "presets": parse_presets,
    "sizes": parse_sizes,
}
"""What reads a trait, and raises ValueError where it cannot be used."""


class ChoiceConfig(Configurable):
    """The traits of `JHKubeSpawner` about sizes, limits, presets and what else people choose."""

    sizes = List(
        DEFAULT_SIZES,
        help="""
        The sizes of servers. Each has a `name`, `cores` and `memory`. Optional fields are
        `display_name`, `description`, `cores_guarantee`, `memory_guarantee`, `guarantee_ratio`, `gpus`,
        `gpu_resource`, `node_selector`, `tolerations`, `groups` (hub groups that may take it) and `default`.

        For example::

            c.JHKubeSpawner.sizes = [
                {"name": "small", "cores": 1, "memory": "4G", "default": True},
                {"name": "gpu", "cores": 8, "memory": "32G", "gpus": 1, "groups": ["observatory:ml"]},
            ]
        """,
    ).tag(config=True)

    guarantee_ratio = FiniteFloat(
        GUARANTEE_RATIO,
        help="""
        The part of a size's cores and memory that is reserved for a server, if the size does not set it: more than 0
        and at most 1.

        For example, if nothing is overcommitted::

            c.JHKubeSpawner.guarantee_ratio = 1.0
        """,
    ).tag(config=True)

    mark_ready_images = Bool(
        False,
        help="""
        Whether the form marks images that need no download, because all nodes on which labs run have them. The hub
        watches the nodes for this, so its account needs `list` and `watch` on `nodes`.

        For example, together with `jhkube prepull`::

            c.JHKubeSpawner.mark_ready_images = True
        """,
    ).tag(config=True)

    own_secrets = Bool(
        False,
        help="""
        Whether people can attach their own secrets to a server. They create them in the service *My servers*. In the
        server they are files below `/secrets`. The hub's account needs `get` and `delete` on `configmaps`. See
        [the guide to secrets](../howto/secrets.md).

        For example::

            c.JHKubeSpawner.own_secrets = True
        """,
    ).tag(config=True)

    own_disks = Bool(
        False,
        help="""
        Whether people can mount disks of their own in a server: PersistentVolumeClaims that belong to them, such as
        those that they have made in the service *My servers*. A disk is at the path that they choose, by default
        `/disks/NAME`. The hub's account needs `list` on `persistentvolumeclaims`. See [the guide to My
        servers](../howto/my-servers.md).

        For example::

            c.JHKubeSpawner.own_disks = True
        """,
    ).tag(config=True)

    pod_defaults = Enum(
        ["off", "safe", "all"],
        default_value="off",
        help="""
        Whether people can choose the PodDefaults of Kubeflow (`kubeflow.org/v1alpha1`) that are in the namespace of
        their servers. They are check boxes on the form, as presets are, and `configurations` of [Kubeflow's
        API](../howto/kubeflow-api.md). With `cluster_accounts`, people see them if the cluster lets them `get`
        PodDefaults there. The hub's account needs `list` on `poddefaults`.

        `safe`: those that set variables, labels, annotations and tolerations, and mount ConfigMaps and empty volumes.

        `all`: also those that name Secrets and claims. It needs `cluster_accounts`, which ensures that people may
        create pods in their namespace. Such a person can use all Secrets of the namespace anyway.

        PodDefaults with containers, commands or service accounts are never offered.

        For example::

            c.JHKubeSpawner.pod_defaults = "safe"
        """,
    ).tag(config=True)

    presets: Any = List(
        help="""
        Check boxes on the form. Each one adds `environment`, `volumes` with `volume_mounts`, `labels` or
        `annotations` to the pod, for everybody or for `groups`.

        For example::

            c.JHKubeSpawner.presets = [
                {"name": "butler", "display_name": "Use the test data", "environment": {"DATA": "test"}},
            ]
        """,
    ).tag(config=True)

    environment_names: Any = List(
        help="""
        The environment variables that people may set in the form, by REST and in links: names, or dicts with `name`
        and the optional fields `pattern` (a regular expression for the whole value), `values` (to choose from),
        `display_name`, `description` and `groups`. Variables that jhkube, JupyterHub, shells and languages read
        themselves, such as `PATH`, `LD_PRELOAD` and `PYTHONPATH`, are refused.

        For example::

            c.JHKubeSpawner.environment_names = [
                {"name": "SURVEY", "values": ["deep", "wide"]},
                {"name": "OMP_NUM_THREADS", "pattern": "[1-9][0-9]?", "description": "1 to 99"},
            ]
        """,
    ).tag(config=True)

    ceilings = Dict(
        help="""
        The limits for all servers of a person together: `cores`, `memory`, `gpus` and `servers`. `default` is for
        everybody, `groups` for hub groups (the highest limit counts), and `users` for certain people (it wins over
        the others).

        For example::

            c.JHKubeSpawner.ceilings = {
                "default": {"cores": 4, "memory": "16G", "servers": 2},
                "groups": {"observatory:ml": {"cores": 16, "gpus": 1}},
            }
        """,
    ).tag(config=True)

    ceilings_are_quotas = Bool(
        False,
        help="""
        Whether a person's ceiling is also set as a ResourceQuota, if every person has their own namespace
        (`enable_user_namespaces`).

        For example::

            c.JHKubeSpawner.ceilings_are_quotas = True
        """,
    ).tag(config=True)

    @validate(*_PARSERS)
    def _usable_choices(self, proposal: Any) -> Any:
        return checked_trait("c.JHKubeSpawner", proposal, _PARSERS[proposal["trait"].name])

    def parsed_sizes(self) -> tuple[Size, ...]:
        """Return the sizes as values."""
        return parse_sizes(self.sizes, self.guarantee_ratio)

    def parsed_ceilings(self) -> Ceilings:
        """Return the ceilings as values."""
        return parse_ceilings(self.ceilings)

    def parsed_presets(self) -> tuple[Preset, ...]:
        """Return the presets as values."""
        return parse_presets(self.presets)

    def parsed_variables(self) -> tuple[Variable, ...]:
        """Return the environment variables that people may set."""
        return parse_environment_names(self.environment_names)

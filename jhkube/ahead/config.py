"""What an operator configures about pods that are made before their start: traits of JHKubeSpawner."""

from __future__ import annotations

from traitlets import Enum, Integer, Unicode
from traitlets.config import Configurable

from jhkube.operator_models import ConfigError

__all__ = ["AheadConfig"]


class AheadConfig(Configurable):
    """The traits of `JHKubeSpawner` about pods that wait for their start."""

    start_ahead = Enum(
        ["off", "form", "form-and-changes"],
        default_value="off",
        help="""
        Whether a person's pod is made while they read the form.

        `off`: a pod is made when somebody presses Start.

        `form`: when the form opens, the hub makes the pod of the choice that is preselected. The pod waits, with the
        server's modules imported, and becomes the server if the person starts exactly that choice. Otherwise the hub
        deletes it and starts the server as usual.

        `form-and-changes`: as `form`, and the form's script tells the hub what the person chooses after that, so that
        the pod follows. It is deleted and made again, at most once every three seconds. For this, and for the form to
        say what is wrong with the pod before anybody presses Start, the hub needs handlers, which the sample
        configuration adds::

            from jhkube.ahead.handlers import ahead_handlers
            c.JupyterHub.extra_handlers = ahead_handlers()

        It needs `cmd`, an image menu, one of jhkube's authenticators, and pods that the hub reaches by their address
        (without `services_enabled` and `internal_ssl`). `pre_spawn_hook` and the authenticator's `pre_spawn_start`
        run for the waiting pod too. Pods with an exclusive volume of `extra_mounts` are not made in advance.

        For example::

            c.JHKubeSpawner.start_ahead = "form"
        """,
    ).tag(config=True)

    start_ahead_limit = Integer(
        10,
        min=0,
        help="""
        How many pods may wait at a time, for all people of the hub together. A person has at most one.

        For example, on a hub where a course begins with everybody at once::

            c.JHKubeSpawner.start_ahead_limit = 60
        """,
    ).tag(config=True)

    start_ahead_seconds = Integer(
        120,
        min=10,
        max=3600,
        help="""
        How many seconds a pod waits for its start. Then it ends, even if the hub is gone.

        For example, for people who need longer to choose::

            c.JHKubeSpawner.start_ahead_seconds = 300
        """,
    ).tag(config=True)

    start_ahead_priority_class = Unicode(
        help="""
        The PriorityClass of waiting pods, so that the scheduler can evict them for other pods. By default they have
        that of the servers, and the hub deletes them if a server finds no room.

        The priority of a pod cannot be changed: a server whose pod has waited keeps this class, and can be evicted
        while the person works. Set it only if that is acceptable.

        For example::

            c.JHKubeSpawner.start_ahead_priority_class = "labs-waiting"
        """,
    ).tag(config=True)

    def check_ahead(self, *, cmd: object, services_enabled: bool, internal_ssl: bool) -> None:
        """Check that pods can wait with what else is configured.

        Raises
        ------
        ConfigError
            Where they cannot; it names the trait.
        """
        if self.start_ahead == "off":
            return
        if not cmd:
            raise ConfigError(
                "c.JHKubeSpawner.start_ahead needs the command: set c.KubeSpawner.cmd, such as"
                ' ["jupyterhub-singleuser"]'
            )
        if internal_ssl:
            raise ConfigError(
                "c.JHKubeSpawner.start_ahead does not work with c.JupyterHub.internal_ssl: a waiting pod has no"
                " certificate yet. Turn one of them off"
            )
        if services_enabled:
            raise ConfigError(
                "c.JHKubeSpawner.start_ahead does not work with c.KubeSpawner.services_enabled: a waiting pod has no"
                " Service yet. Turn one of them off"
            )

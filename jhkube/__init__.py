"""A JupyterHub spawner and authenticators for Kubernetes.

These are the names that a configuration, or another package, may rely on. Everything else may change in any release.

=============================================  =====================================================================
``jhkube.__version__``                         the version, such as ``0.1.0``
``jhkube.spawner.JHKubeSpawner``               starts each person's server as a pod: ``spawner_class = "jhkube"``
``jhkube.spawner.begin_menu_with_hub``         reads the image menu when the hub starts, not at the first form
``jhkube.auth.GitHubOrgAuthenticator``         lets members of GitHub organizations and teams in: ``"jhkube-github"``
``jhkube.auth.CILogonGroupAuthenticator``      lets people of research institutions in: ``"jhkube-cilogon"``
``jhkube.auth.OIDCOrgAuthenticator``           lets people of any OpenID Connect provider in: ``"jhkube-oidc"``
``jhkube.images.menu.ImageMenu``               the images that can be chosen, with the settings ``c.ImageMenu``
``jhkube.options_form.tags.parse_tag``         what an image's tag says: its kind, its date, the words for it
``jhkube.prepull.prepuller.Prepuller``         keeps images on the nodes, with the settings ``c.Prepuller``
``jhkube.identity.UserIdentity``               who a person is: name, uid, gid, groups, and the provider's own id
``jhkube.identity.AUTH_STATE_KEY``             where a hook finds the identity in ``auth_state``, as a dict
``jhkube.logs.JSON_LINES``                     writes the hub's log as lines of JSON: ``c.JupyterHub.logging_config``
``jhkube.logs.hide_url_secrets``               keeps codes and tokens of addresses out of the hub's log
=============================================  =====================================================================

The command line is ``jhkube``; metrics, traits, and the labels and annotations of pods are in the documentation.
"""

from jhkube._version import __version__

# Modules, which `import jhkube` does not load: JupyterHub and the Kubernetes client take seconds.
__all__ = ["__version__", "auth", "identity", "images", "logs", "options_form", "prepull", "spawner"]

"""What an operator configures about pods: the traits of JHKubeSpawner, parsed into values."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Dict, Enum, Float, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from jhkube.options_form.presets import Preset, parse_presets
from jhkube.options_form.sizes import DEFAULT_SIZES, GUARANTEE_RATIO, Size, parse_sizes
from jhkube.pod.accounts import DEBIAN_GROUP, DEBIAN_PASSWD, Accounts, AccountsFrom
from jhkube.pod.build import PodSettings
from jhkube.pod.git import GitSettings, parse_git_hosts
from jhkube.pod.home import FolderMaker, HomeKind, parse_home
from jhkube.pod.limits import Ceilings, parse_ceilings
from jhkube.pod.mounts import parse_mounts
from jhkube.pod.security import parse_umask
from jhkube.watch.patience import Patience, parse_patience

__all__ = ["SpawnerConfig"]


class SpawnerConfig(Configurable):
    """The traits that `JHKubeSpawner` has beyond KubeSpawner's."""

    home = Enum(
        list(map(str, HomeKind)),
        default_value="pvc",
        help="""
        Where people's homes are kept.

        `pvc`: a claim for each person, made by KubeSpawner's `storage_…` and `pvc_name_template` settings.

        `nfs`: a folder for each person of the NFS export in `home_nfs`.

        `shared-pvc`: a folder for each person on the claim in `home_claim`.

        For example::

            c.JHKubeSpawner.home = "nfs"
            c.JHKubeSpawner.home_nfs = {"server": "files.example.org", "path": "/export/home"}
        """,
    ).tag(config=True)

    home_path = Unicode(
        "/home/{username}",
        help="""
        The home's path in the pod, a template: `{username}` is the person's name.

        For example, as images of docker-stacks expect it::

            c.JHKubeSpawner.home_path = "/home/jovyan"
        """,
    ).tag(config=True)

    home_sub_path = Unicode(
        None,
        allow_none=True,
        help="""
        The person's folder on the volume, a template. By default `{username}` on NFS and a shared claim, and
        the volume itself on a claim of one's own.

        For example::

            c.JHKubeSpawner.home_sub_path = "hub/{username}"
        """,
    ).tag(config=True)

    home_claim = Unicode(
        help="""
        The claim on which all homes are, for `home = "shared-pvc"`; it must exist.

        For example::

            c.JHKubeSpawner.home_claim = "homes"
        """,
    ).tag(config=True)

    home_nfs = Dict(
        help="""
        The export on which all homes are, for `home = "nfs"`: `server`, `path` and, where the mount needs them,
        `mount_options`. With options a PersistentVolume and a claim carry them, which an operator applies
        once; see the guide to NFS homes.

        For example::

            c.JHKubeSpawner.home_nfs = {
                "server": "files.example.org", "path": "/export/home", "mount_options": ["nfsvers=4.1"],
            }
        """,
    ).tag(config=True)

    adopt_claims = Bool(
        False,
        help="""
        Whether a claim that does not say whose it is becomes the home of the person whose name it has, at their next
        start. Every claim that is made says so by the annotation `jhkube/subject`, and a claim of somebody else's is
        always refused.

        A claim without it that this hub's database knows from an earlier start is adopted in any case. Set this for
        claims of another hub, or after the database was lost, while you know that no name has changed hands.

        For example, while people come back to the claims of another hub::

            c.JHKubeSpawner.adopt_claims = True
        """,
    ).tag(config=True)

    home_skeleton = Bool(
        False,
        help="""
        Whether a new home is filled from the image's `/etc/skel`. An init container of the image does it, which
        delays a start by about as long as a container takes to start.

        For example::

            c.JHKubeSpawner.home_skeleton = True
        """,
    ).tag(config=True)

    home_copy_from = Unicode(
        help="""
        A folder of the image whose files are copied to the home at each start, never over a newer file.

        For example::

            c.JHKubeSpawner.home_copy_from = "/opt/lab/copy-to-home"
        """,
    ).tag(config=True)

    home_made_by = Enum(
        ["", *map(str, FolderMaker)],
        default_value="",
        help="""
        Who makes a person's folder the first time, open to nobody else: by default `user` on a claim of one's own and
        `root` on NFS and a shared claim.

        `user`: the person; kubelet gives them the claim's volume. Pod Security "restricted".

        `root`: an init container with just the rights that it takes. Pod Security "baseline".

        `nobody`: another system makes the folders.

        For example::

            c.JHKubeSpawner.home_made_by = "nobody"
        """,
    ).tag(config=True)

    home_make_image = Unicode(
        help="""
        The image of the init container that makes folders as root: any with a shell. By default the image that
        the person chose.

        For example::

            c.JHKubeSpawner.home_make_image = "docker.io/library/busybox:1.36"
        """,
    ).tag(config=True)

    accounts_from = Enum(
        list(map(str, AccountsFrom)),
        default_value="base",
        help="""
        What the person's passwd and group entries are added to.

        `base`: `accounts_passwd` and `accounts_group`; nothing runs before the server.

        `image`: the image's own files, merged by an init container of that image.

        For example::

            c.JHKubeSpawner.accounts_from = "image"
        """,
    ).tag(config=True)

    accounts_passwd = Unicode(
        DEBIAN_PASSWD,
        help="""
        The other users that a pod knows, as lines of a passwd file; by default those that every Debian has.

        For example::

            c.JHKubeSpawner.accounts_passwd = open("/etc/passwd").read()
        """,
    ).tag(config=True)

    accounts_group = Unicode(
        DEBIAN_GROUP,
        help="""
        The other groups that a pod knows, as lines of a group file; by default those that every Debian has.

        For example::

            c.JHKubeSpawner.accounts_group = open("/etc/group").read()
        """,
    ).tag(config=True)

    login_shell = Unicode(
        "/bin/bash",
        help="""
        The shell in the person's passwd entry; every image must have it.

        For example::

            c.JHKubeSpawner.login_shell = "/bin/sh"
        """,
    ).tag(config=True)

    umask = Unicode(
        help="""
        The umask of the server and all that runs in it, in octal; by default the image's. It needs `cmd` to
        be set, since a shell goes before the command.

        For example, where people share folders by group::

            c.JHKubeSpawner.umask = "007"
        """,
    ).tag(config=True)

    extra_mounts: Any = List(
        help="""
        Volumes beyond the home. Each has a `path` in the pod and one of `claim`, `nfs` and `host_path`; optionally
        `read_only`, `sub_path`, `groups` (hub groups that get it) and, for a claim that one pod at a time may
        use, `exclusive`.

        For example::

            c.JHKubeSpawner.extra_mounts = [
                {"path": "/data/survey", "claim": "survey", "read_only": True},
                {"path": "/scratch", "nfs": {"server": "files.example.org", "path": "/scratch"}, "groups": ["ops"]},
            ]
        """,
    ).tag(config=True)

    ceilings = Dict(
        help="""
        What all of a person's servers together may have: `cores`, `memory`, `gpus` and `servers`, by default, by hub
        group (the most generous counts) and by user name (which wins).

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
        Where every person has a namespace of their own (`enable_user_namespaces`), whether their ceiling is set
        there as a ResourceQuota too.

        For example::

            c.JHKubeSpawner.ceilings_are_quotas = True
        """,
    ).tag(config=True)

    start_patience = Dict(
        help="""
        For how many seconds a start waits for what may pass by itself, before it fails: `unschedulable` (no node has
        room; by default 60), `scale_up` (a node is being added; no end), `pull` (the registry does not answer; 45),
        `crash_loop` (the server has crashed twice; 0), `volume` (it does not mount; 90), `detach` (its disk is still
        attached elsewhere; 180), `missing` (a Secret, ConfigMap or claim; 15), `node` (it does not answer; 60).
        `None` is no end. What cannot pass by itself ends a start at once, and `start_timeout` ends all.

        For example, where nodes are added by hand, and no registry is ever waited for::

            c.JHKubeSpawner.start_patience = {"unschedulable": 600, "pull": 0}
        """,
    ).tag(config=True)

    git_hosts: Any = List(
        help="""
        The git hosts that the person's provider token is offered to, and no other: host names, URLs, or dicts
        with `host`, `scheme` and `username`.

        For example::

            c.JHKubeSpawner.git_hosts = ["github.com"]
        """,
    ).tag(config=True)

    git_replaces_etc_gitconfig = Bool(
        False,
        help="""
        For images with a git older than 2.32, which does not know `GIT_CONFIG_SYSTEM`: put the configuration
        in the place of the image's `/etc/gitconfig`.

        For example::

            c.JHKubeSpawner.git_replaces_etc_gitconfig = True
        """,
    ).tag(config=True)

    sizes = List(
        DEFAULT_SIZES,
        help="""
        The sizes that a server can have. Each has a `name`, `cores` and `memory`; further fields are
        `display_name`, `description`, `cores_guarantee`, `memory_guarantee`, `guarantee_ratio`, `gpus`,
        `gpu_resource`, `node_selector`, `tolerations`, `groups` (hub groups that may take it) and `default`.

        For example::

            c.JHKubeSpawner.sizes = [
                {"name": "small", "cores": 1, "memory": "4G", "default": True},
                {"name": "gpu", "cores": 8, "memory": "32G", "gpus": 1, "groups": ["observatory:ml"]},
            ]
        """,
    ).tag(config=True)

    guarantee_ratio = Float(
        GUARANTEE_RATIO,
        help="""
        The part of a size's cores and memory that is reserved for it, where the size does not say so itself: over
        0, at most 1.

        For example, where nothing is overcommitted::

            c.JHKubeSpawner.guarantee_ratio = 1.0
        """,
    ).tag(config=True)

    mark_ready_images = Bool(
        False,
        help="""
        Whether the form marks the images that all nodes have on which labs run, so that nothing has to be
        downloaded. The hub watches the nodes for it: its account needs `list` and `watch` on `nodes`.

        For example, beside `jhkube prepull`::

            c.JHKubeSpawner.mark_ready_images = True
        """,
    ).tag(config=True)

    presets: Any = List(
        help="""
        Check boxes of the form, each of which adds `environment`, `volumes` with `volume_mounts`, `labels` or
        `annotations` to the pod, for everybody or for `groups`.

        For example::

            c.JHKubeSpawner.presets = [
                {"name": "butler", "display_name": "Use the test data", "environment": {"DATA": "test"}},
            ]
        """,
    ).tag(config=True)

    @validate("home_path")
    def _valid_home_path(self, proposal: Any) -> Any:
        return _checked(proposal, lambda path: parse_home("pvc", path=path))

    @validate("home_sub_path")
    def _valid_home_sub_path(self, proposal: Any) -> Any:
        return _checked(proposal, lambda path: parse_home("pvc", sub_path=path))

    @validate("home_copy_from")
    def _valid_home_copy_from(self, proposal: Any) -> Any:
        return _checked(proposal, lambda path: parse_home("pvc", copy_from=path))

    @validate("home_nfs")
    def _valid_home_nfs(self, proposal: Any) -> Any:
        # With no export at all the home is not on NFS.
        return _checked(proposal, lambda nfs: parse_home("nfs" if nfs else "pvc", nfs=nfs))

    @validate("git_hosts")
    def _valid_git_hosts(self, proposal: Any) -> Any:
        return _checked(proposal, parse_git_hosts)

    @validate("umask")
    def _valid_umask(self, proposal: Any) -> Any:
        return _checked(proposal, parse_umask)

    @validate("extra_mounts")
    def _valid_extra_mounts(self, proposal: Any) -> Any:
        return _checked(proposal, parse_mounts)

    @validate("ceilings")
    def _valid_ceilings(self, proposal: Any) -> Any:
        return _checked(proposal, parse_ceilings)

    @validate("start_patience")
    def _valid_start_patience(self, proposal: Any) -> Any:
        return _checked(proposal, parse_patience)

    @validate("sizes")
    def _valid_sizes(self, proposal: Any) -> Any:
        return _checked(proposal, parse_sizes)

    @validate("guarantee_ratio")
    def _valid_guarantee_ratio(self, proposal: Any) -> Any:
        return _checked(proposal, lambda ratio: parse_sizes((), ratio))

    @validate("presets")
    def _valid_presets(self, proposal: Any) -> Any:
        return _checked(proposal, parse_presets)

    def pod_settings(self) -> PodSettings:
        """Return the traits about pods as one value.

        Raises
        ------
        ValueError
            Where they do not go together; it names the trait.
        """
        return PodSettings(
            home=parse_home(
                self.home,
                path=self.home_path,
                sub_path=self.home_sub_path,
                claim=self.home_claim,
                nfs=self.home_nfs,
                skeleton=self.home_skeleton,
                copy_from=self.home_copy_from,
                made_by=self.home_made_by,
                make_image=self.home_make_image,
            ),
            accounts=Accounts(
                source=AccountsFrom(self.accounts_from),
                base_passwd=self.accounts_passwd,
                base_group=self.accounts_group,
                shell=self.login_shell,
            ),
            git=GitSettings(
                hosts=parse_git_hosts(self.git_hosts),
                replace_etc_gitconfig=self.git_replaces_etc_gitconfig,
            ),
            mounts=parse_mounts(self.extra_mounts),
            umask=parse_umask(self.umask),
        )

    def parsed_sizes(self) -> tuple[Size, ...]:
        """Return the sizes as values."""
        return parse_sizes(self.sizes, self.guarantee_ratio)

    def parsed_ceilings(self) -> Ceilings:
        """Return the ceilings as values."""
        return parse_ceilings(self.ceilings)

    def parsed_patience(self) -> Patience:
        """Return how long a start waits for what."""
        return parse_patience(self.start_patience)

    def parsed_presets(self) -> tuple[Preset, ...]:
        """Return the presets as values."""
        return parse_presets(self.presets)


def _checked(proposal: Any, parse: Any) -> Any:
    """Return the proposed value as it is, once `parse` has taken it; a mistake names the trait."""
    try:
        parse(proposal.value)
    except ValueError as error:
        name = proposal.trait.name
        said = str(error).removeprefix(f"{name}: ").removeprefix(f"{name}, ")
        raise TraitError(f"JHKubeSpawner.{name}: {said}") from None
    return proposal.value

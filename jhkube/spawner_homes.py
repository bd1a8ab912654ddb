"""What an operator configures about homes: the traits of JHKubeSpawner, parsed into a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from traitlets import Bool, Dict, Enum, Unicode, validate
from traitlets.config import Configurable

from jhkube.operator_models import checked_trait
from jhkube.pod.home import FolderMaker, Home, HomeKind, parse_home
from jhkube.pod.limits import parse_storage

__all__ = ["HomeConfig"]

_PARSERS: Final[dict[str, Callable[[Any], object]]] = {
    "guest_home_size": parse_storage,
    "home_path": lambda path: parse_home("pvc", path=path),
    "home_sub_path": lambda path: parse_home("pvc", sub_path=path),
    "home_copy_from": lambda path: parse_home("pvc", copy_from=path),
    # With no export at all the home is not on NFS.
    "home_nfs": lambda nfs: parse_home("nfs" if nfs else "pvc", nfs=nfs),
}
"""What reads a trait, and raises ValueError where it cannot be used."""


class HomeConfig(Configurable):
    """The traits of `JHKubeSpawner` about homes."""

    home = Enum(
        list(map(str, HomeKind)),
        default_value="pvc",
        help="""
        Where people's homes are kept.

        `pvc`: a claim for each person, created with KubeSpawner's `storage_…` and `pvc_name_template` settings.

        `nfs`: a folder for each person on the NFS export in `home_nfs`.

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
        The person's folder on the volume, a template. By default it is `{username}` on NFS and on a shared claim,
        and the volume itself on a person's own claim.

        For example::

            c.JHKubeSpawner.home_sub_path = "hub/{username}"
        """,
    ).tag(config=True)

    home_claim = Unicode(
        help="""
        The claim that contains all homes, for `home = "shared-pvc"`, and for `nfs` with mount options. It must exist.

        For example::

            c.JHKubeSpawner.home_claim = "homes"
        """,
    ).tag(config=True)

    home_nfs = Dict(
        help="""
        The export that contains all homes, for `home = "nfs"`: `server`, `path` and, if the mount needs them,
        `mount_options`. Mount options need a PersistentVolume and a claim, which an operator applies once: see [the
        guide to NFS homes](../howto/nfs-homes.md).

        For example::

            c.JHKubeSpawner.home_nfs = {
                "server": "files.example.org", "path": "/export/home", "mount_options": ["nfsvers=4.1"],
            }
        """,
    ).tag(config=True)

    adopt_claims = Bool(
        False,
        help="""
        Whether a claim without an owner becomes the home of the person whose name it has, at their next start. The
        annotation `jhkube/subject` of a claim says whose it is; jhkube writes it to every claim that it creates. A
        claim of another person is always refused.

        A claim without the annotation that this hub's database knows from an earlier start is adopted in any case.
        Set this trait for claims of another hub, or after the database was lost, if you know that no name has changed
        hands.

        For example, while people return to the claims of another hub::

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
        Who creates a person's folder at the first start, with access for nobody else. By default it is `user` on a
        person's own claim, and `root` on NFS and on a shared claim.

        `user`: the person; kubelet gives them the claim's volume. Pod Security "restricted".

        `root`: an init container with only the rights that it needs. Pod Security "baseline".

        `nobody`: another system creates the folders.

        For example::

            c.JHKubeSpawner.home_made_by = "nobody"
        """,
    ).tag(config=True)

    home_make_image = Unicode(
        help="""
        The image of the init container that creates folders as root. It needs a shell. By default it is the image
        that the person chose.

        For example::

            c.JHKubeSpawner.home_make_image = "docker.io/library/busybox:1.36"
        """,
    ).tag(config=True)

    guest_home_size = Unicode(
        "1Gi",
        help="""
        How large the home of a guest may be, as a Kubernetes quantity. It is an `emptyDir` volume that goes with the
        pod. Kubernetes evicts the server of a guest whose home is larger. See [the guide to
        guests](../howto/guests.md).

        For example::

            c.JHKubeSpawner.guest_home_size = "200Mi"
        """,
    ).tag(config=True)

    @validate(*_PARSERS)
    def _usable_home(self, proposal: Any) -> Any:
        return checked_trait("c.JHKubeSpawner", proposal, _PARSERS[proposal["trait"].name])

    def parsed_home(self) -> Home:
        """Return the traits as one value.

        Raises
        ------
        ValueError
            Where they do not go together; it names the trait.
        """
        return parse_home(
            self.home,
            path=self.home_path,
            sub_path=self.home_sub_path,
            claim=self.home_claim,
            nfs=self.home_nfs,
            skeleton=self.home_skeleton,
            copy_from=self.home_copy_from,
            made_by=self.home_made_by,
            make_image=self.home_make_image,
        )

"""A notebook that Kubeflow's form asks for, as options of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jhkube.options_form.option_values import OptionError, shown
from jhkube.own_disks import HOME, disk_path
from jhkube.service.kubeflow.form import MOUNT
from jhkube.service.size_choice import Asked, count_value, holds, quantity_value, smallest_size

__all__ = ["NewNotebook", "check_same_namespace", "claim_body", "read_notebook", "user_options"]

GROUP_IMAGES: Final = {
    "group-one": "imageGroupOne",
    "group-two": "imageGroupTwo",
    "group-three": "imageGroupThree",
}
"""The field with the image, by server type."""

NONE: Final = ("", "none", None)

NO_CLASS: Final = ("", None, "{none}", "{empty}", "$empty")
"""What stands for the cluster's default storage class."""

NAME_TEMPLATE: Final = "{notebook-name}"
"""What stands for the notebook's name in that of a new disk."""

NOTHING: Final = Asked()
"""What somebody asks for who leaves all amounts out."""


@dataclass(frozen=True, slots=True)
class DataVolume:
    """A disk that a notebook mounts."""

    path: str
    """Where, as the option `disks` has it."""
    claim: str = ""
    """An existing claim; empty for a new one."""
    new: Mapping[str, Any] | None = None
    """What the service's route takes that makes the claim."""
    read_only: bool = False

    def option(self, claim: str) -> dict[str, Any]:
        """Return what the option `disks` has for it, with the claim's name."""
        return {"name": claim, "path": self.path, "read_only": self.read_only}


@dataclass(frozen=True, slots=True)
class NewNotebook:
    """What is asked for, as far as it counts here."""

    name: str
    namespace: str = ""
    """The namespace of the body; empty where it has none."""
    image: str = ""
    """Empty for the default."""
    asked: Asked = NOTHING
    """Cores, memory and GPUs: the larger of request and limit."""
    size: str = ""
    """The size that was chosen as an affinity or a group of tolerations; empty for none."""
    presets: tuple[str, ...] | None = None
    """The configurations; None for the default ones."""
    volumes: tuple[DataVolume, ...] = ()
    """The data volumes."""

    @property
    def new_volumes(self) -> tuple[DataVolume, ...]:
        """The data volumes whose claims are to be made."""
        return tuple(each for each in self.volumes if each.new is not None)


def read_notebook(body: Mapping[str, Any]) -> NewNotebook:
    """Return what a body asks for that is as the table of routes says.

    Raises
    ------
    OptionError
        Where it asks for what this hub does not do, or what cannot be.
    """
    _check_operators_own(body)
    gpus = body.get("gpus") or {}
    presets = body.get("configurations")
    return NewNotebook(
        name=body["name"],
        namespace=body.get("namespace") or "",
        image=_image(body),
        asked=Asked(
            cores=_larger(body, "cpu", "cpuLimit"),
            memory=_larger(body, "memory", "memoryLimit"),
            gpus=count_value(gpus.get("num"), "gpus.num"),
            gpu_resource=gpus.get("vendor") or "",
        ),
        size=_named_size(body),
        presets=None if presets is None else tuple(presets),
        volumes=tuple(_volume(each, body["name"]) for each in body.get("datavols") or ()),
    )


def _volume(asked: Mapping[str, Any], notebook: str) -> DataVolume:
    mount, made, existing = asked["mount"], asked.get("newPvc"), asked.get("existingSource")
    if bool(made) == bool(existing):
        raise OptionError("datavols", "A data volume has either newPvc or existingSource. Give one of them.")
    # The form is told that the home is here, wherever it is.
    path = f"{HOME}{mount.removeprefix(MOUNT)}" if f"{mount}/".startswith(f"{MOUNT}/") else mount
    try:
        path = disk_path(path)
    except ValueError as error:
        raise OptionError("datavols", f"{shown(mount)} cannot be the place of a disk: {error}.") from None
    if existing:
        claim = existing.get("persistentVolumeClaim")
        if not claim or len(existing) > 1:
            raise OptionError("datavols", "Only a persistentVolumeClaim can be an existing volume on this hub.")
        return DataVolume(path, claim=claim["claimName"], read_only=bool(claim.get("readOnly")))
    assert made is not None
    metadata, spec = made["metadata"], made["spec"]
    if metadata.get("namespace"):
        raise OptionError("datavols", "A new disk is in the notebook's namespace. Leave its namespace out.")
    asked_claim = {
        "name": metadata["name"].replace(NAME_TEMPLATE, notebook),
        "size": spec["resources"]["requests"]["storage"],
        "class": spec.get("storageClassName"),
        "mode": next(iter(spec.get("accessModes") or ()), None),
    }
    return DataVolume(path, new=claim_body(asked_claim, ""))


def _image(body: Mapping[str, Any]) -> str:
    custom = str(body.get("customImage") or "").strip()
    # StatCan's form has a checkbox next to the field; Kubeflow's has the field alone.
    if custom and body.get("customImageCheck") is not False:
        return custom
    field = GROUP_IMAGES.get(body.get("serverType") or "", "image")
    return str(body.get(field) or body.get("image") or "").strip()


def _named_size(body: Mapping[str, Any]) -> str:
    """Return the size that a body names: an affinity and a group of tolerations come with a size."""
    named = {str(body[each]) for each in ("affinityConfig", "tolerationGroup") if body.get(each) not in NONE}
    if len(named) > 1:
        raise OptionError(
            "tolerationGroup",
            "The fields affinityConfig and tolerationGroup name two sizes. Choose the same, or leave one out.",
        )
    return next(iter(named), "")


def _larger(body: Mapping[str, Any], request: str, limit: str) -> Any:
    asked, most = quantity_value(body.get(request), request), quantity_value(body.get(limit), limit)
    if most and most < asked:
        raise OptionError(limit, f"The limit {shown(str(body[limit]))} is less than what {request} asks for.")
    return max(asked, most)


def _check_operators_own(body: Mapping[str, Any]) -> None:
    """Raise where a field has another value than the one that the form's configuration fixes."""
    workspace = body.get("workspace") or body.get("workspaceVolume") or {}
    if body.get("noWorkspace"):
        raise OptionError("noWorkspace", "Each notebook has a workspace on this hub. Leave noWorkspace out.")
    if workspace.get("existingSource") or workspace.get("existingPvc"):
        raise OptionError(
            "workspace",
            "A notebook's workspace is its own disk on this hub, so no other can be chosen. Leave workspace out.",
        )
    fixed = {
        "shm": body.get("shm"),
        "prob": body.get("prob"),
        "environment": body.get("environment") not in ("{}", "", None, {}),
    }
    for field, is_given in fixed.items():
        if is_given:
            raise _operators_own(field)


def _operators_own(field: str) -> OptionError:
    return OptionError(field, f"The operator of this hub sets {field} for all notebooks. Leave it out.")


def check_same_namespace(given: str, namespace: str) -> None:
    """Raise `OptionError` where a body has another namespace than the path."""
    if given not in ("", namespace):
        raise OptionError("namespace", "The body has another namespace than the path.")


def claim_body(body: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Return what the service's route takes for a disk that Kubeflow's volumes app asks for.

    Raises
    ------
    OptionError
        Where it asks for what this hub does not do.
    """
    check_same_namespace(str(body.get("namespace") or ""), namespace)
    if body.get("type") not in ("empty", "", None) or body.get("snapshot"):
        raise OptionError("type", "Only empty disks can be made on this hub. Leave type and snapshot out.")
    size = body["size"]
    made = {"name": body["name"], "size": size if isinstance(size, str) else f"{size}Gi"}
    if body.get("class") not in NO_CLASS:
        made["storage_class"] = body["class"]
    if body.get("mode"):
        made["access_mode"] = body["mode"]
    return made


def user_options(notebook: NewNotebook, available: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the hub for a notebook.

    Parameters
    ----------
    notebook
        What is asked for.
    available
        What the person may choose, by the schema `Options`.

    Raises
    ------
    OptionError
        Where no size holds what is asked for.
    """
    if notebook.volumes and available["disks"] is None:
        raise _operators_own("datavols")
    options: dict[str, Any] = {"profile": "lab"}
    if notebook.image:
        options["image"] = _listed_value(notebook.image, available["images"])
    if size := _size(notebook, available["sizes"]):
        options["size"] = size
    if notebook.presets is not None:
        options["presets"] = _presets(notebook.presets, available["presets"])
    if old := [each.option(each.claim) for each in notebook.volumes if each.claim]:
        options["disks"] = old
    return options


def _presets(configurations: Sequence[str], presets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the presets that configurations stand for: those are labels, and a PodDefault may want several."""
    labels = {str(each["value"]): set(each["labels"] or [each["value"]]) for each in presets}
    chosen = [value for value, wanted in labels.items() if wanted <= set(configurations)]
    known = set().union(*labels.values())
    # The hub says of the others that there is no such preset.
    return [*chosen, *(each for each in configurations if each not in known)]


def _listed_value(image: str, images: Sequence[Mapping[str, Any]]) -> str:
    """Return what the option image takes for a reference of the menu; another image as it is."""
    return next((str(each["value"]) for each in images if image == each["reference"]), image)


def _size(notebook: NewNotebook, sizes: Sequence[Mapping[str, Any]]) -> str:
    if not notebook.size:
        return smallest_size(sizes, notebook.asked) if notebook.asked != NOTHING else ""
    chosen = next((each for each in sizes if each["value"] == notebook.size), None)
    if chosen is None:
        names = ", ".join(str(each["value"]) for each in sizes) or "none"
        raise OptionError("affinityConfig", f"There is no size {shown(notebook.size)}. Choose one of: {names}.")
    if not holds(chosen, notebook.asked):
        raise OptionError(
            "affinityConfig",
            f"The size {shown(notebook.size)} has less than {notebook.asked.text}. Choose another size.",
        )
    return notebook.size

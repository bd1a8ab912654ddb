"""A JupyterNotebook as its author means it: the properties of the resource with the operator's defaults, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from kubespawner.slugs import is_valid_label, safe_slug
from pydantic import AfterValidator, ConfigDict, Field, Strict

from jhkube.images.image_name import is_image
from jhkube.operator_models import ConfigError, OperatorModel, read_model
from jhkube.operator_types import ObjectName, Wanted
from jhkube.pod.limits import parse_quantity

__all__ = ["DEFAULT_IMAGE", "Notebook", "NotebookDefaults", "kept_token", "object_name", "read_notebook"]

DEFAULT_IMAGE: Final = "jupyter/minimal-notebook:notebook-6.3.0"

LONGEST_WORD: Final = 63
"""Characters of an amount or an interface at the most: what is longer is none, and the status repeats it."""

MOST_LABELS: Final = 100

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_KEY = re.compile(
    r"(?:(?=.{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
# Linux takes a path of 4096 bytes, of which a volume's own path is a part.
_FOLDER = re.compile(r"(?=.{1,1024}\Z)[A-Za-z0-9_][A-Za-z0-9._-]{0,254}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,254})*")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
# Sizes as nginx writes them: a number of bytes, or with k, m or g; 0 for no limit.
_BODY_SIZE = re.compile(r"\d{1,12}[kKmMgG]?")
_TOKEN = re.compile(r"[A-Za-z0-9]{16,128}")


def _check(pattern: re.Pattern[str]) -> Any:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return AfterValidator(check)


def _quantity(text: str) -> str:
    # The API server takes no space around it.
    if len(text) > LONGEST_WORD or text != text.strip() or parse_quantity(text) < 0:
        raise ValueError
    return text


def _image(text: str) -> str:
    if not is_image(text):
        raise ValueError
    return text


def _label(text: str) -> str:
    key, equals, value = text.partition("=")
    valid: bool = is_valid_label(value)  # type: ignore[no-untyped-call]
    if not equals or not _LABEL_KEY.fullmatch(key) or not valid:
        raise ValueError
    return text


Quantity = Annotated[
    str, Strict(), AfterValidator(_quantity), Wanted("an amount as Kubernetes writes it, such as '500m' or '2Gi'")
]
Image = Annotated[
    str, Strict(), AfterValidator(_image), Wanted("an image, such as 'registry.example.org:5000/team/lab:1.0'")
]
Label = Annotated[
    str,
    Strict(),
    AfterValidator(_label),
    Wanted("key=value, where both can be a label of Kubernetes: the value has no further '='"),
]
Host = Annotated[
    str,
    Strict(),
    AfterValidator(str.lower),
    _check(_HOST),
    Wanted("the name of a host, such as 'notebooks.example.org'"),
]
UserId = Annotated[
    int,
    Strict(),
    Field(ge=1, lt=2**31),
    Wanted("a whole number from 1 on: a notebook never runs as root, which is 0"),
]
Folder = Annotated[
    str, Strict(), _check(_FOLDER), Wanted("a folder of the claim, such as 'project-1', without '..' in it")
]
BodySize = Annotated[str, Strict(), _check(_BODY_SIZE), Wanted("a size as nginx writes it, such as '500m'")]


class _Part(OperatorModel):
    """A part of the resource. The API server drops unknown properties, and an older resource may have some."""

    model_config = ConfigDict(extra="ignore")


class _Amounts(_Part):
    cpu: Quantity = ""
    memory: Quantity = ""
    # Nothing has ever been done with it.
    storage: Quantity = ""


class _Resources(_Part):
    limits: _Amounts = _Amounts()
    requests: _Amounts = _Amounts()


class _SecurityContext(_Part):
    run_as_user: UserId | None = Field(default=None, alias="runAsUser")
    run_as_group: UserId | None = Field(default=None, alias="runAsGroup")
    fs_group: UserId | None = Field(default=None, alias="fsGroup")


class _Project(_Part):
    claim_name: ObjectName = Field(default="", alias="claimName")
    id: Folder = ""


class _Interface(_Part):
    interface: Annotated[str, Strict(), Field(max_length=LONGEST_WORD), Wanted("lab or classic")] = "lab"


class _DataManager(_Part):
    image: Image = DEFAULT_IMAGE
    ingress_class: ObjectName = Field(default="nginx", alias="ingressClass")
    ingress_domain: Host = Field(default="", alias="ingressDomain")
    ingress_tls_secret: ObjectName = Field(default="", alias="ingressTlsSecret")
    ingress_proxy_body_size: BodySize = Field(default="500m", alias="ingressProxyBodySize")
    resources: _Resources = _Resources()
    service_account_name: ObjectName = Field(default="default", alias="serviceAccountName")
    security_context: _SecurityContext = Field(default=_SecurityContext(), alias="securityContext")
    notebook: _Interface = _Interface()
    project: _Project = _Project()
    labels: Annotated[
        tuple[Label, ...], Field(max_length=MOST_LABELS), Wanted(f"a list of at most {MOST_LABELS} labels")
    ] = ()


class _Spec(_Part):
    data_manager: _DataManager = Field(default=_DataManager(), alias="imDataManager")
    # What the existing operator's README says, and its code has not read since 2021.
    security_context: _SecurityContext = Field(default=_SecurityContext(), alias="securityContext")
    project: _Project = _Project()


@dataclass(frozen=True, slots=True)
class NotebookDefaults:
    """What the operator's environment says about all notebooks."""

    ingress_domain: str = ""
    """The host of their URLs (`INGRESS_DOMAIN`)."""

    ingress_tls_secret: str = ""
    """The Secret with its certificate (`INGRESS_TLS_SECRET`)."""

    ingress_cert_issuer: str = ""
    """The ClusterIssuer of cert-manager that makes a certificate for each, where no Secret is named
    (`INGRESS_CERT_ISSUER`)."""

    allow_http: bool = False
    """Whether a notebook without TLS is made, whose token then crosses the network in the clear
    (`INGRESS_ALLOW_HTTP`)."""

    priority_class: str = ""
    """The PriorityClass of their pods (`JO_DEFAULT_POD_PRIORITY_CLASS`, if `JO_APPLY_POD_PRIORITY_CLASS` is set)."""

    node_selector: tuple[str, str] | None = ("informaticsmatters.com/purpose-application", "yes")
    """The label of the nodes that they run on (`JO_POD_NODE_SELECTOR_KEY`, `JO_POD_NODE_SELECTOR_VALUE`)."""

    domains: frozenset[str] = frozenset()
    """The hosts that a notebook may name, next to the one above (`INGRESS_DOMAINS`, by spaces); any if empty."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> NotebookDefaults:
        """Return what the environment says, by the names that the existing operator has for it.

        Examples
        --------
        >>> NotebookDefaults.from_environment({"JO_POD_NODE_SELECTOR_KEY": ""}).node_selector is None
        True
        """
        known = cls()
        assert known.node_selector is not None
        key = environ.get("JO_POD_NODE_SELECTOR_KEY", known.node_selector[0])
        value = environ.get("JO_POD_NODE_SELECTOR_VALUE", known.node_selector[1])
        priority_class = environ.get("JO_DEFAULT_POD_PRIORITY_CLASS", "im-application-low")
        return cls(
            ingress_domain=environ.get("INGRESS_DOMAIN", "").lower(),
            domains=frozenset(environ.get("INGRESS_DOMAINS", "").lower().split()),
            ingress_tls_secret=environ.get("INGRESS_TLS_SECRET", ""),
            ingress_cert_issuer=environ.get("INGRESS_CERT_ISSUER", ""),
            allow_http=environ.get("INGRESS_ALLOW_HTTP", "").lower() in ("1", "true", "yes"),
            priority_class=priority_class if environ.get("JO_APPLY_POD_PRIORITY_CLASS") else "",
            node_selector=(key, value) if key else None,
        )


@dataclass(frozen=True, slots=True)
class Notebook:
    """One notebook, with every value decided."""

    name: str
    namespace: str
    uid: str
    """The resource's own uid, by which everything that is made for it is known."""

    image: str
    interface: Literal["lab", "classic"]
    """`lab` for anything that is not `classic`."""

    shown_interface: str
    """The interface as the resource has it, for the status."""

    service_account: str
    cpu: tuple[str, str]
    """Request and limit."""

    memory: tuple[str, str]
    """Request and limit."""

    run_as_user: int
    run_as_group: int
    fs_group: int
    claim: str
    """The claim that is mounted at /home/jovyan."""

    project: str
    """The project's id, which is the folder of the claim that is mounted."""

    labels: tuple[tuple[str, str], ...]
    """Labels of the pod, in the order of the resource."""

    ingress_class: str
    domain: str
    tls_secret: str
    """The Secret with the certificate, or that cert-manager makes; empty for a notebook without TLS."""

    cert_issuer: str
    """The ClusterIssuer that makes the certificate; empty where it exists, or there is none."""

    body_size: str
    priority_class: str
    node_selector: tuple[str, str] | None

    @property
    def url(self) -> str:
        """Where a person opens it, without the token."""
        return f"http{'s' if self.tls_secret else ''}://{self.domain}/{self.name}"

    def label_ending(self, ending: str) -> str:
        """Return the value of the first label whose key ends so; empty where there is none."""
        return next((value for key, value in self.labels if key.endswith(ending)), "")


def read_notebook(body: Mapping[str, Any], defaults: NotebookDefaults) -> Notebook:
    """Return what a resource asks for.

    Parameters
    ----------
    body
        The resource, as the API's JSON.
    defaults
        What the operator's environment says.

    Raises
    ------
    ConfigError
        Where something cannot be; the message names the property and says what would be right.
    """
    metadata = body["metadata"]
    spec = read_model(_Spec, "spec", body.get("spec") or {})
    asked = spec.data_manager
    who, fallback = asked.security_context, spec.security_context
    claim = asked.project.claim_name or spec.project.claim_name
    project = asked.project.id or spec.project.id
    domain = asked.ingress_domain or defaults.ingress_domain
    tls_secret = asked.ingress_tls_secret or defaults.ingress_tls_secret
    cert_issuer = "" if tls_secret else defaults.ingress_cert_issuer
    for value, place, wanted in (
        (claim, "project.claimName", "the claim that the project's files are on"),
        (project, "project.id", "the project's folder on the claim"),
        (domain, "ingressDomain", "the host of the notebook's URL, unless the operator has INGRESS_DOMAIN"),
    ):
        if not value:
            raise ConfigError(f"spec.imDataManager.{place}: is missing: it should be {wanted}")
    allowed = defaults.domains | {defaults.ingress_domain} - {""}
    if defaults.domains and domain not in allowed:
        hosts = ", ".join(sorted(allowed))
        raise ConfigError(f"spec.imDataManager.ingressDomain: {domain!r} is not a host for notebooks: {hosts}")
    if not tls_secret and not cert_issuer and not defaults.allow_http:
        raise ConfigError(
            "spec.imDataManager.ingressTlsSecret: is missing, and the operator has neither INGRESS_TLS_SECRET nor"
            " INGRESS_CERT_ISSUER: without TLS the notebook's token would cross the network in the clear"
        )
    return Notebook(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        image=asked.image,
        interface="classic" if asked.notebook.interface == "classic" else "lab",
        shown_interface=asked.notebook.interface,
        service_account=asked.service_account_name,
        cpu=_amounts("cpu", asked.resources, ("10m", "1")),
        memory=_amounts("memory", asked.resources, ("256Mi", "1Gi")),
        run_as_user=who.run_as_user or fallback.run_as_user or 1000,
        run_as_group=who.run_as_group or fallback.run_as_group or 100,
        fs_group=who.fs_group or fallback.fs_group or 100,
        claim=claim,
        project=project,
        labels=tuple(_pair(label) for label in asked.labels),
        ingress_class=asked.ingress_class,
        domain=domain,
        tls_secret=tls_secret or (f"tls-{object_name(metadata['name'])}" if cert_issuer else ""),
        cert_issuer=cert_issuer,
        body_size=asked.ingress_proxy_body_size,
        priority_class=defaults.priority_class,
        node_selector=defaults.node_selector,
    )


def object_name(name: str) -> str:
    """Return the name of what is made for a resource: the resource's own where a Service may have it, else a slug.

    >>> object_name("study"), object_name("2026.study")
    ('study', 'x-2026-study---c4fa6b4f')
    """
    return str(safe_slug(name, max_length=63))  # type: ignore[no-untyped-call]


def kept_token(body: Mapping[str, Any]) -> str:
    """Return the notebook's token as its status has it; empty where there is none that can be one."""
    notebook = ((body.get("status") or {}).get("jupyter") or {}).get("notebook") or {}
    token = str(notebook.get("token") or "")
    return token if _TOKEN.fullmatch(token) else ""


def _amounts(name: str, resources: _Resources, default: tuple[str, str]) -> tuple[str, str]:
    request = getattr(resources.requests, name) or ""
    limit = getattr(resources.limits, name) or ""
    # What is said alone decides over the default of the other.
    if request and not limit and parse_quantity(request) > parse_quantity(default[1]):
        limit = request
    if limit and not request and parse_quantity(limit) < parse_quantity(default[0]):
        request = limit
    request, limit = request or default[0], limit or default[1]
    if parse_quantity(request) > parse_quantity(limit):
        raise ConfigError(
            f"spec.imDataManager.resources.requests.{name}: should be at most the limit, {limit}, not {request!r}"
        )
    return request, limit


def _pair(label: str) -> tuple[str, str]:
    key, _, value = label.partition("=")
    return key, value

"""Who a person is to the cluster's own API server, and what the server is asked about their rights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Strict

from jhkube.identity import AUTH_STATE_KEY
from jhkube.operator_models import OperatorModel, read_model
from jhkube.operator_types import Text, Wanted

__all__ = [
    "STARTS",
    "ClusterAccount",
    "ClusterAccounts",
    "NoClusterAccount",
    "Right",
    "access_review",
    "is_allowed",
    "is_denied",
    "parse_cluster_accounts",
]

CLAIMS_KEY: Final = "oauth_user"
"""The key of auth_state with the provider's claims, where people log in with OpenID Connect."""

OIDC: Final = "oidc:"
"""What the subject of a person begins with who logs in with OpenID Connect: `oidc:<issuer>#<sub>`."""

RESERVED: Final = "system:"
"""What names begin with that Kubernetes itself gives away: to nodes, service accounts and administrators."""

EVERYBODY: Final = "system:authenticated"
"""The group that the API server adds to everybody whom it knows."""

NO_PREFIX: Final = "-"
"""What the API server's `--oidc-username-prefix` has for no prefix at all."""

Prefix = Annotated[str, Strict(), Wanted("a text")]


class NoClusterAccount(ValueError):
    """Nobody knows who a person is in the cluster; the message says why, in a sentence for them."""


@dataclass(frozen=True, slots=True)
class ClusterAccount:
    """A person as the API server knows them."""

    name: str
    """With the prefix: `https://idp.example.org#1234`."""

    groups: tuple[str, ...] = ()
    """With their prefix, and without those that the API server adds itself."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"name": self.name, "groups": list(self.groups)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClusterAccount:
        """Return what `to_json` wrote."""
        return cls(data["name"], tuple(data["groups"]))


@dataclass(frozen=True, slots=True)
class Right:
    """Something that somebody may do in a namespace."""

    verb: str
    """`create`."""

    resource: str
    """`pods`; with a part of it as `pods/log`."""

    group: str = ""
    """The API group; empty for the core group."""

    version: str = ""
    """The group's version; empty for any."""

    @property
    def words(self) -> str:
        """What it is in the words of the API: `create pods`."""
        return f"{self.verb} {self.resource}"


STARTS: Final = (Right("create", "pods"), Right("create", "persistentvolumeclaims"))
"""What a person must be allowed themselves so that a hub makes it for them."""


class ClusterAccounts(OperatorModel):
    """How the API server forms names of people and groups from an id token: its flags `--oidc-…`, by their names.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server
    """

    username_claim: Text = "sub"
    username_prefix: Prefix | None = None
    """None for the issuer with a `#`, or nothing where the claim is `email`; `-` for nothing."""
    groups_claim: Prefix = ""
    """Empty where the API server is told of no groups."""
    groups_prefix: Prefix = ""

    def account(self, auth_state: Mapping[str, Any]) -> ClusterAccount:
        """Return who a person is in the cluster.

        Parameters
        ----------
        auth_state
            What a login with `jhkube-oidc` has left: the identity, and the provider's claims.

        Raises
        ------
        NoClusterAccount
            Where the API server would not take a token with these claims, or a name is one of Kubernetes' own.
        """
        subject = str((auth_state.get(AUTH_STATE_KEY) or {}).get("subject", ""))
        issuer, _, told = subject.removeprefix(OIDC).partition("#")
        claims = auth_state.get(CLAIMS_KEY)
        if not subject.startswith(OIDC) or not isinstance(claims, Mapping) or str(claims.get("sub")) != told:
            raise NoClusterAccount("Your login does not tell this hub who you are in the cluster.")
        name = self._name(claims)
        prefix = self.username_prefix
        if prefix is None:
            prefix = "" if self.username_claim == "email" else f"{issuer}#"
        name = f"{'' if prefix == NO_PREFIX else prefix}{name}"
        if name.startswith(RESERVED):
            raise NoClusterAccount("Your name in the cluster would be one of Kubernetes' own.")
        return ClusterAccount(name, self._groups(claims))

    def _name(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self.username_claim)
        if not isinstance(name, str) or not name:
            raise NoClusterAccount(f"Your provider does not send the claim {self.username_claim}.")
        if self.username_claim == "email" and claims.get("email_verified", True) is not True:
            raise NoClusterAccount("Your provider has not verified your email address.")
        return name

    def _groups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        value = claims.get(self.groups_claim) if self.groups_claim else None
        groups = [value] if isinstance(value, str) else value or []
        if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
            raise NoClusterAccount(f"The claim {self.groups_claim} of your provider is not a list of names.")
        named = (f"{self.groups_prefix}{each}" for each in groups if each)
        return tuple(each for each in named if not each.startswith(RESERVED))


def parse_cluster_accounts(config: Any) -> ClusterAccounts | None:
    """Return how people are called in the cluster; None where nothing is configured.

    Raises
    ------
    ConfigError
        Where it cannot be.

    Examples
    --------
    >>> parse_cluster_accounts({"username_claim": "email"}).username_claim
    'email'
    """
    return read_model(ClusterAccounts, "cluster_accounts", config) if config else None


def access_review(account: ClusterAccount, namespace: str, right: Right) -> dict[str, Any]:
    """Return the SubjectAccessReview that asks whether somebody has a right in a namespace.

    https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/

    Examples
    --------
    >>> access_review(ClusterAccount("ada"), "labs", Right("create", "pods"))["spec"]["user"]
    'ada'
    """
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "version": right.version,
        "resource": resource,
        "subresource": subresource,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": account.name,
            "groups": [*account.groups, EVERYBODY],
            "resourceAttributes": {name: value for name, value in attributes.items() if value},
        },
    }


def is_denied(answer: bytes) -> bool:
    """Say whether a review was answered with a sure no: one that the cluster could not evaluate is none."""
    try:
        review = json.loads(answer)
        status = review["status"]
        is_sure = status["allowed"] is False and not status.get("evaluationError")
        return bool(review["kind"] == "SubjectAccessReview" and is_sure)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def is_allowed(answer: bytes) -> bool:
    """Say whether a review was answered with yes; whatever is no clear yes is a no."""
    try:
        review = json.loads(answer)
        return review["kind"] == "SubjectAccessReview" and review["status"]["allowed"] is True
    except (ValueError, TypeError, KeyError):
        return False

"""Why the API server did not take what the hub asked for."""

from __future__ import annotations

import re
from dataclasses import replace

from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.kube import CONFLICT, FORBIDDEN, NOT_FOUND, UNAUTHORIZED, error_status
from jhkube.watch.failure import Failure, redacted

__all__ = ["admission_failure", "exists_already", "is_momentary", "momentary_failure", "unreachable_failure"]

_BUSY = frozenset({429, 500, 502, 503, 504})
"""What the API server answers when it is busy, or its database is away."""
# error looking up service account alice/default: serviceaccount "default" not found; status unknown for quota: q,
# resources: pods: of a namespace that is a second old, whose controllers have not come to it yet
_NEW_NAMESPACE = re.compile(r"serviceaccount \"default\" not found|status unknown for quota")

# exceeded quota: compute, requested: limits.memory=2Gi, used: limits.memory=3Gi, limited: limits.memory=4Gi
_QUOTA = re.compile(
    r"exceeded quota: [^,]+, requested: (?P<asked>[^ ]+), used: (?P<used>[^ ]+), limited: (?P<limit>[^ ]+)"
)
# failed quota: compute: must specify limits.memory
_QUOTA_UNSAID = re.compile(r"failed quota: [^:]+: must specify (?P<what>\S+)")
# maximum memory usage per Container is 1Gi, but limit is 2Gi
_LIMIT_RANGE = re.compile(
    r"(?P<which>maximum|minimum) (?P<what>[\w.-]+) usage per "
    r"(?:Container|Pod|PersistentVolumeClaim) is (?P<bound>\w+)"
)
# admission webhook "policy.example" denied the request: no images from there
# ValidatingAdmissionPolicy 'digests' with binding 'labs' denied request: images need a digest
_POLICY = re.compile(
    r"(?:admission webhook \"[^\"]+\" denied the request|"
    r"ValidatingAdmissionPolicy '[^']+'(?: with binding '[^']+')? denied request)(?:: (?P<why>.+))?",
    re.DOTALL,
)
# unable to validate against any security context constraint: [provider "anyuid": Forbidden: not usable by user or
# serviceaccount, spec.containers[0].securityContext.runAsUser: Invalid value: 0: must be in the ranges: [1000, 2000]]
_CONSTRAINT = re.compile(r"unable to validate against any security context constraint: (?P<why>.+)", re.DOTALL)
# violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false
_POD_SECURITY = re.compile(r"violates PodSecurity|pod security polic", re.IGNORECASE)
_NAMED_MISSING = re.compile(
    r"(?:serviceaccount \"(?P<account>[^\"]+)\" not found|no PriorityClass with name (?P<priority>\S+))"
)
_OBJECTS = {"pods": "server", "persistentvolumeclaims": "storage", "secrets": "Secret", "services": "Service"}


def admission_failure(error: ApiException) -> Failure:
    """The API server's refusal as a `Failure`: quota, policy, an invalid manifest, no permission.

    The manifest is never part of it: what the API server repeats of it is taken out.
    """
    status = error_status(error)
    text = status.get("message") or error.reason or "no message"
    what = _OBJECTS.get((status.get("details") or {}).get("kind") or "", "server")
    reason = _quota_reason(text) or status.get("reason") or error.reason or f"HTTP {error.status}"
    detail = redacted(text)

    def because(message: str, status_code: int = 400) -> Failure:
        return Failure(str(reason), message, detail, status_code=status_code)

    if quota := _QUOTA.search(text):
        return because(_quota_sentence(quota), FORBIDDEN)
    if unsaid := _QUOTA_UNSAID.search(text):
        return because(
            f"The quota here asks every {what} to state its {unsaid['what']}, and this one does not. "
            "Choose a size that does, or tell your administrator.",
            FORBIDDEN,
        )
    if bound := _LIMIT_RANGE.search(text):
        side = "more than" if bound["which"] == "maximum" else "less than"
        return because(
            f"Your {what} asks for {side} the {bound['bound']} of {bound['what']} that is allowed here. "
            "Choose another size.",
            FORBIDDEN,
        )
    if policy := _POLICY.search(text):
        why = redacted(policy["why"] or "", 200).rstrip(".")
        return because(
            f"The cluster's rules do not allow this {what}{f': {why}' if why else ''}. "
            "Choose something else, or ask your administrator.",
            FORBIDDEN,
        )
    if constraint := _CONSTRAINT.search(text):
        why = redacted(constraint["why"].strip("[] "), 300).rstrip(".")
        return because(
            f"The cluster's security context constraints do not allow this {what}: {why}. Tell your administrator.",
            FORBIDDEN,
        )
    if _POD_SECURITY.search(text):
        return because(
            "The cluster's security rules do not allow this server as it is configured. Tell your administrator.",
            FORBIDDEN,
        )
    if named := _NAMED_MISSING.search(text):
        kind = "service account" if named["account"] else "priority class"
        return because(
            f"The {kind} “{named['account'] or named['priority']}” your server needs does not exist. "
            "Tell your administrator."
        )
    if "because it is being terminated" in text:
        return because("The namespace of your server is being deleted. Try again in a minute.", CONFLICT)
    if error.status == NOT_FOUND:
        return because("The namespace of your server does not exist. Tell your administrator.")
    if error.status in (UNAUTHORIZED, FORBIDDEN):
        return because(
            f"The hub is not allowed to create your {what} in the cluster. Tell your administrator.", FORBIDDEN
        )
    if error.status == CONFLICT:
        return because(f"A {what} of the same name is still being removed. Try again in a minute.", CONFLICT)
    if error.status in (400, 422):
        return because(f"The cluster does not accept this {what} as it is configured. Tell your administrator.")
    return because("The cluster did not answer as it should. Try again in a minute.", 429)


def is_momentary(error: ApiException) -> bool:
    """Whether the API server's refusal is about to pass, so that asking again helps.

    It is busy, its database is away, or it has not caught up: a namespace that is a second old has no default service
    account and no numbers in its quota yet, and two requests at once collide at a quota.
    """
    if error.status in _BUSY:
        return True
    status = error_status(error)
    if error.status == CONFLICT:
        # Operation cannot be fulfilled on resourcequotas "q": the object has been modified
        return status.get("reason") == "Conflict"
    return error.status == FORBIDDEN and bool(_NEW_NAMESPACE.search(str(status.get("message"))))


def exists_already(error: ApiException) -> bool:
    """Whether the API server refused to create an object because there is one of its name."""
    return error.status == CONFLICT and not is_momentary(error)


def unreachable_failure(error: Exception) -> Failure:
    """An API server that did not answer at all, as a `Failure`."""
    return Failure(
        "ApiServerUnavailable",
        "The cluster did not answer. Try again in a minute; tell your administrator if it happens again.",
        redacted(str(error) or type(error).__name__),
        status_code=429,
    )


def momentary_failure(error: Exception) -> Failure | None:
    """Return what to say while a request that has failed is sent again; None where that would not help.

    Parameters
    ----------
    error
        The API server's refusal, or an error of the connection to it.
    """
    meanwhile = "The cluster does not answer at the moment; trying again."
    if not isinstance(error, ApiException):
        return replace(unreachable_failure(error), meanwhile=meanwhile)
    if not is_momentary(error):
        return None
    if error.status in (FORBIDDEN, CONFLICT):
        meanwhile = "The cluster is not ready for your server yet; trying again."
    return replace(admission_failure(error), meanwhile=meanwhile)


def _quota_reason(text: str) -> str:
    return "QuotaExceeded" if _QUOTA.search(text) else ""


def _quota_sentence(quota: re.Match[str]) -> str:
    def amounts(field: str) -> dict[str, str]:
        return dict(pair.partition("=")[::2] for pair in quota[field].split(","))

    asked, used, limit = amounts("asked"), amounts("used"), amounts("limit")
    parts = [
        f"{_resource(name)}: {amount} asked for, {used.get(name, '?')} of {limit.get(name, '?')} in use"
        for name, amount in asked.items()
    ]
    return (
        f"Your server would go over the quota ({'; '.join(parts)}). "
        "Stop a server you no longer need, or choose a smaller size."
    )


def _resource(name: str) -> str:
    plain = name.removeprefix("requests.").removeprefix("limits.")
    return {"cpu": "cores", "pods": "servers", "persistentvolumeclaims": "storage claims"}.get(plain, plain)

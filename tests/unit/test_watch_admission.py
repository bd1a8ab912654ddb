"""What a person reads when the API server refuses a pod, a claim or a Secret."""

import json

import pytest
from kubernetes_asyncio.client.exceptions import ApiException

from jhkube.watch.admission import admission_failure, exists_already, is_momentary


def refusal(status: int, message: str, kind: str = "pods", reason: str = "Forbidden") -> ApiException:
    error = ApiException(status=status, reason=reason)
    error.body = json.dumps({"kind": "Status", "message": message, "reason": reason, "details": {"kind": kind}})
    return error


CASES = [
    (
        refusal(
            403,
            'pods "jupyter-alice" is forbidden: exceeded quota: students, requested: limits.memory=2Gi, '
            "used: limits.memory=3Gi, limited: limits.memory=4Gi",
        ),
        "(memory: 2Gi asked for, 3Gi of 4Gi in use)",
        "QuotaExceeded",
    ),
    (
        refusal(
            403,
            'persistentvolumeclaims "claim-alice" is forbidden: exceeded quota: q, '
            "requested: persistentvolumeclaims=1,requests.storage=1Gi, used: persistentvolumeclaims=5,"
            "requests.storage=5Gi, limited: persistentvolumeclaims=5,requests.storage=9Gi",
            "persistentvolumeclaims",
        ),
        "storage claims: 1 asked for, 5 of 5 in use; storage: 1Gi asked for, 5Gi of 9Gi in use",
        "QuotaExceeded",
    ),
    (
        refusal(403, 'pods "x" is forbidden: failed quota: q: must specify limits.memory'),
        "state its limits.memory",
        "Forbidden",
    ),
    (
        refusal(403, 'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2147483648'),
        "more than the 1Gi of memory",
        "Forbidden",
    ),
    (
        refusal(
            403,
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        ),
        "security rules",
        "Forbidden",
    ),
    (
        refusal(
            400, 'admission webhook "images.example" denied the request: signed images only.', reason="BadRequest"
        ),
        "do not allow this server: signed images only.",
        "BadRequest",
    ),
    (
        refusal(
            422,
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'digests.example' with binding 'labs' denied "
            "request: images need a digest",
            reason="Invalid",
        ),
        "do not allow this server: images need a digest.",
        "Invalid",
    ),
    (
        refusal(
            403, "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed expression: a == b"
        ),
        "do not allow this server: failed expression: a == b.",
        "Forbidden",
    ),
    (
        refusal(
            403,
            'pods "x" is forbidden: unable to validate against any security context constraint: [provider "anyuid": '
            "Forbidden: not usable by user or serviceaccount, provider restricted-v2: "
            "spec.containers[0].securityContext.runAsUser: Invalid value: 61803: must be in the ranges: "
            "[1000660000, 1000669999]]",
        ),
        'constraints do not allow this server: provider "anyuid": Forbidden: not usable by user or serviceaccount, '
        "provider restricted-v2: spec.containers[0].securityContext.runAsUser: Invalid value: … must be in",
        "Forbidden",
    ),
    (
        refusal(403, 'pods "x" is forbidden: error looking up service account h/lab: serviceaccount "lab" not found'),
        "service account “lab”",
        "Forbidden",
    ),
    (
        refusal(403, 'pods "x" is forbidden: no PriorityClass with name high was found'),
        "priority class “high”",
        "Forbidden",
    ),
    (
        refusal(403, 'pods is forbidden: User "system:serviceaccount:hub:hub" cannot create resource "pods"'),
        "hub is not allowed to make your server",
        "Forbidden",
    ),
    (
        refusal(
            403,
            'pods "x" is forbidden: unable to create new content in namespace hub because it is being terminated',
        ),
        "being removed",
        "Forbidden",
    ),
    (refusal(404, 'namespaces "alice" not found', "namespaces", "NotFound"), "namespace", "NotFound"),
    (
        refusal(422, 'Pod "x" is invalid: spec.containers[0].image: Required value', reason="Invalid"),
        "not accept",
        "Invalid",
    ),
    (refusal(500, "etcdserver: request timed out", reason="InternalError"), "Try again", "InternalError"),
]


@pytest.mark.parametrize(("error", "told", "reason"), CASES, ids=[told for _, told, _ in CASES])
def test_a_refusal_is_told_in_a_sentence_with_what_to_do(error, told, reason):
    failure = admission_failure(error)
    assert told in failure.message
    assert failure.reason == reason
    assert failure.message.endswith(".")
    assert 400 <= failure.status_code < 500


def test_what_the_api_server_repeats_of_the_manifest_is_taken_out():
    said = 'Pod "x" is invalid: spec.containers[0].env[3].name: Invalid value: "s3cret value": must be a name'
    failure = admission_failure(refusal(422, said, reason="Invalid"))
    assert "s3cret" not in failure.raw + failure.message
    assert "spec.containers[0].env[3].name" in failure.raw


@pytest.mark.parametrize("body", [None, "", "upstream connect error", "[]"])
def test_a_refusal_that_is_no_status_object_is_told_as_well(body):
    error = ApiException(status=502, reason="Bad Gateway")
    error.body = body
    assert admission_failure(error).raw == "Bad Gateway: Bad Gateway"


@pytest.mark.parametrize(
    ("error", "momentary", "exists"),
    [
        (refusal(429, "busy"), True, False),
        (refusal(500, "etcdserver: request timed out"), True, False),
        (refusal(504, "Timeout"), True, False),
        (refusal(403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1'), False, False),
        (refusal(403, 'error looking up service account a/default: serviceaccount "default" not found'), True, False),
        (refusal(403, 'error looking up service account a/lab: serviceaccount "lab" not found'), False, False),
        (refusal(403, "status unknown for quota: q, resources: pods"), True, False),
        (refusal(409, 'Operation cannot be fulfilled on resourcequotas "q"', reason="Conflict"), True, False),
        (refusal(409, 'pods "x" already exists', reason="AlreadyExists"), False, True),
        (ApiException(status=409, reason="Conflict"), False, True),
        (refusal(404, "not found"), False, False),
    ],
)
def test_what_is_about_to_pass_is_told_from_what_is_there_already(error, momentary, exists):
    assert (is_momentary(error), exists_already(error)) == (momentary, exists)

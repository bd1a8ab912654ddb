"""Why an image could not be pulled."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jhkube.watch.failure import Failure, redacted, shortened
from jhkube.watch.patience import Patience

__all__ = ["IMAGE_REASONS", "image_failure"]

IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "ImageInspectError",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""The reasons kubelet gives for a container that waits for its image (pkg/kubelet/images/types.go)."""

_HTTP = re.compile(r"\bHTTP/\d(?:\.\d)?", re.IGNORECASE)
# https://registry.example.org/v2/lab/blobs/sha256:4040…, registry.example.org/denied:403, /var/lib/containerd,
# registry.example.org, 10.1.2.3:40312->10.4.5.6:443, [fd00::404]:443, sha256:4030…; 4f0d404c5b1e is a container
_NAME = re.compile(
    r"[/@]|\w\.\w|\]:\d|(?<!status)(?<!code)(?<!status\")(?<!code\"):\d|sha\d+:|\b(?=[a-f]*\d)[0-9a-f]{8,}\b",
    re.IGNORECASE,
)
"""What a word has in it that is a name, an address, a path or a digest, where anything can be written."""

# unexpected status from HEAD request to https://…: 403 Forbidden; unexpected status code 503; HTTP status: 429;
# invalid status code from registry 404 (Not Found); StatusCode: 404; not: exit status 403 (of a program)
_STATUS = re.compile(
    r"(?<!exit )(?:\bstatus(?:[ _]?code)?(?: from(?: [a-z]{1,20}){1,5})?(?: …)?|\bHTTP(?: status)?|\bcode)"
    r"[\"']?\s*[:=]?\s*([1-5]\d\d)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Cause:
    """What a text says went wrong: by words, or by the HTTP status of an answer."""

    words: re.Pattern[str]
    statuses: frozenset[str] = frozenset()

    def is_in(self, text: str) -> bool:
        return bool(self.words.search(text)) or not self.statuses.isdisjoint(_STATUS.findall(text))


def _cause(words: str, *statuses: str) -> _Cause:
    return _Cause(re.compile(words, re.IGNORECASE), frozenset(statuses))


# pull access denied, repository does not exist or may require authorization; not: open …: permission denied
_DENIED = _cause(
    r"(?<!permission )\bdenied\b|\bunauthorized\b|authorization failed|authentication required|\bforbidden\b|"
    r"no basic auth|insufficient_scope",
    "401",
    "403",
)
# manifest unknown: manifest unknown; code = NotFound desc = failed to pull and unpack image
# Tag 2026-11 was deleted or has expired (Quay)
_NOT_FOUND = _cause(
    r"code = NotFound|not found|manifest unknown|name unknown|repository does not exist|was deleted or has expired",
    "404",
)
# no match for platform in manifest; no image found in image index for architecture "amd64"
_PLATFORM = _cause(r"no match(?:ing)? (?:for platform|manifest)|no image found in|exec format error")
# toomanyrequests: You have reached your pull rate limit
_RATE_LIMIT = _cause(r"toomanyrequests|too many requests|rate limit|pull QPS exceeded", "429")
_DISK = _cause(r"no space left on device|disk quota exceeded")
# x509: certificate signed by unknown authority; http: server gave HTTP response to HTTPS client
_TRUST = _cause(r"x509|\bcertificate\b|HTTP response to HTTPS client")
# dial tcp 10.0.0.1:443: connect: connection refused; code = Unavailable (the runtime itself, over its socket);
# http2: server sent GOAWAY and closed the connection
_UNREACHABLE = _cause(
    r"dial (?:tcp|unix)|code = (?:Unavailable|DeadlineExceeded|Canceled)|proxyconnect|"
    r"connection (?:refused|reset|lost)|broken pipe|\btimeout\b|timed out|deadline exceeded|"
    r"\bEOF\b|no such host|network is unreachable|no route to host|temporary failure|server misbehaving|"
    r"service unavailable|bad gateway|internal server error|gateway time-?out|registry is unavailable|stream error|"
    r"(?:context|request) canceled|closed network connection|\bGOAWAY\b|proxy authentication required|"
    # Before the registry's own answer: a proxy's, of which Go tells the words alone.
    r"failed to do request: \w+ … (?:forbidden|unauthorized)\b",
    "407",
    "408",
    "500",
    "502",
    "503",
    "504",
)
# failed to extract layer; parent snapshot … does not exist: not found; content digest …: not found; lease "404…": not
# found; no processor for media-type: not found; unexpected media type text/html for sha256:…: not found (the page of
# a proxy); not: denied: Permission denied for … (Google)
_NODE = _cause(
    r"failed to (?:extract|prepare extraction|get reader from content store)|\bsnapshot(?:ter)?\b|content digest|"
    r"blob not found|\blease\b|\blocked for\b|\bmedia[- ]type\b|(?<!denied: )permission denied|input/output error"
)
"""Trouble of the node's own store, or with what is no image, which a text may describe in the words of a registry."""


def image_failure(reason: str, text: str, image: str, patience: Patience) -> Failure:
    """What to say of an image that does not come.

    Where a text names a cause that may pass and one that does not, it may pass: kubelet tries several credentials and
    containerd several mirrors, and they repeat what all of them said.

    Parameters
    ----------
    reason
        The waiting container's reason, one of `IMAGE_REASONS`.
    text
        All that kubelet said about it, status and events.
    image
        The image's reference, as in the pod.
    """
    detail = redacted(text)

    def definitely(message: str, status_code: int = 400) -> Failure:
        return Failure(reason, message, detail, status_code=status_code)

    if reason == "InvalidImageName":
        return definitely(f"“{image}” is not a valid image name. Choose another image, or correct the name.")
    if reason == "ErrImageNeverPull":
        return definitely(
            f"The image {image} is not on the node, and this hub does not allow pulling it. "
            "Choose another image, or tell your administrator."
        )
    if reason == "SignatureValidationFailed":
        return definitely(
            f"The signature of the image {image} is not accepted here. Choose another image, or tell your "
            "administrator."
        )
    said = _without_names(shortened(text), image)
    if _RATE_LIMIT.is_in(said):
        return Failure(
            reason,
            f"The registry of the image {image} refuses more downloads for now. Try again later.",
            detail,
            patience.pull,
            "The image's registry asks for fewer requests; waiting.",
            429,
        )
    unreachable = _UNREACHABLE.is_in(said) or reason == "RegistryUnavailable"
    # Of an ImageInspectError the node's own store is the reason, whatever its words are.
    if not unreachable and reason != "ImageInspectError" and (known := _definite(said, image)):
        return definitely(*known)
    cause = "Its registry does not answer" if unreachable else "Pulling it failed"
    return Failure(
        reason,
        f"The image {image} could not be pulled. {cause}. Try again in a few minutes; "
        "tell your administrator if it happens again.",
        detail,
        patience.pull,
        "The image cannot be pulled at the moment "
        f"({'registry does not answer' if unreachable else 'pull failed'}); "
        "trying again.",
    )


def _definite(said: str, image: str) -> tuple[str, int] | None:
    """The sentence, and the status code, of a cause that does not pass by itself."""
    if _DISK.is_in(said):
        return (
            f"The node ran out of disk space while pulling the image {image}. Try again in some minutes, "
            "or choose a smaller image; tell your administrator if it happens again.",
            429,
        )
    if _NODE.is_in(said):
        return None
    # "denied" stands before "not found": Docker Hub answers both for a repository one may not see
    if _DENIED.is_in(said):
        return (
            f"The registry does not allow this hub to pull the image {image}, or there is no such image. "
            "Check its name, or ask your administrator for access.",
            403,
        )
    if _PLATFORM.is_in(said):
        return f"The image {image} is not built for this cluster's kind of processor. Choose another image.", 400
    if _NOT_FOUND.is_in(said):
        return (
            f"The image {image} does not exist in its registry. Choose another image; "
            "a tag may have been removed since you last used it.",
            404,
        )
    if _TRUST.is_in(said):
        return f"The cluster does not trust the registry of the image {image}. Tell your administrator.", 400
    return None


def _without_names(text: str, image: str) -> str:
    """A text without whatever words and numbers are part of a name."""
    names = filter(None, (image, image.partition("@")[0]))
    # As a whole: an image may be called "lab", which is a part of "unavailable".
    text = re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", "…", text) if image else text
    return " ".join("…" if _NAME.search(word) else word for word in _HTTP.sub("HTTP", text).split())

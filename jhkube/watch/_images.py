"""Why an image could not be pulled; pure."""

from __future__ import annotations

import re

from jhkube.watch._failure import Failure, redacted
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

# "denied" stands before "not found": Docker Hub answers both for a repository one may not see
# pull access denied, repository does not exist or may require authorization
_DENIED = re.compile(
    r"denied|unauthorized|authorization failed|authentication required|401|403|forbidden|"
    r"no basic auth|insufficient_scope",
    re.IGNORECASE,
)
# manifest for localhost:5000/lab:x not found; code = NotFound desc = failed to pull and unpack image
_NOT_FOUND = re.compile(
    r"code = NotFound|not found|manifest unknown|name unknown|repository does not exist|404", re.IGNORECASE
)
# no match for platform in manifest
_PLATFORM = re.compile(r"no match(?:ing)? (?:for|manifest)|exec format error|platform", re.IGNORECASE)
# toomanyrequests: You have reached your pull rate limit
_RATE_LIMIT = re.compile(r"toomanyrequests|too many requests|rate limit|429|pull QPS exceeded", re.IGNORECASE)
_DISK = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
# x509: certificate signed by unknown authority; http: server gave HTTP response to HTTPS client
_TRUST = re.compile(r"x509|certificate|HTTP response to HTTPS client|SignatureValidation", re.IGNORECASE)
# dial tcp 10.0.0.1:443: connect: connection refused
_UNREACHABLE = re.compile(
    r"dial tcp|connection (?:refused|reset)|i/o timeout|no such host|timeout|deadline exceeded|"
    r"unexpected EOF|50[0234]|network is unreachable|no route to host|temporary failure|server misbehaving",
    re.IGNORECASE,
)


def image_failure(reason: str, text: str, image: str, patience: Patience) -> Failure:
    """What to say of an image that does not come.

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
        return definitely(f"“{image}” is no valid image name. Choose another image, or correct the name.")
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
    # The image's name may hold any of the words looked for below
    said = text.replace(image, "").replace(image.partition("@")[0], "")
    if _DISK.search(said):
        return definitely(
            f"The node ran out of disk space while pulling the image {image}. Try again in some minutes, "
            "or choose a smaller image; tell your administrator if it stays so.",
            429,
        )
    if _RATE_LIMIT.search(said):
        return Failure(
            reason,
            f"The registry of the image {image} refuses more downloads for now. Try again later.",
            detail,
            patience.pull,
            "The image's registry asks to slow down; waiting.",
            429,
        )
    if _DENIED.search(said):
        return definitely(
            f"The registry does not allow this hub to pull the image {image}, or there is no such image. "
            "Check its name, or ask your administrator for access.",
            403,
        )
    if _PLATFORM.search(said):
        return definitely(
            f"The image {image} is not built for this cluster's kind of processor. Choose another image."
        )
    if _NOT_FOUND.search(said):
        return definitely(
            f"The image {image} does not exist in its registry. Choose another image; "
            "a tag may have been removed since you last used it.",
            404,
        )
    if _TRUST.search(said):
        return definitely(f"The cluster does not trust the registry of the image {image}. Tell your administrator.")
    unreachable = _UNREACHABLE.search(said) or reason == "RegistryUnavailable"
    cause = "Its registry does not answer" if unreachable else "Pulling it failed"
    return Failure(
        reason,
        f"The image {image} could not be pulled. {cause}. Try again in a few minutes; "
        "tell your administrator if it stays so.",
        detail,
        patience.pull,
        "The image cannot be pulled at the moment "
        f"({'registry does not answer' if unreachable else 'pull failed'}); "
        "trying again.",
    )

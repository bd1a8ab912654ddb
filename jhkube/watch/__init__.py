"""What the cluster says about a pod."""

from jhkube.watch.failures import Failure, admission_failure, pod_failure
from jhkube.watch.patience import Patience
from jhkube.watch.progress import progress
from jhkube.watch.readiness import Cadence
from jhkube.watch.reflectors import EventReflector, PodReflector
from jhkube.watch.starts import Start, StartFailed

__all__ = [
    "Cadence",
    "EventReflector",
    "Failure",
    "Patience",
    "PodReflector",
    "Start",
    "StartFailed",
    "admission_failure",
    "pod_failure",
    "progress",
]

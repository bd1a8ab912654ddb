"""Python's garbage collector: it no longer checks the objects that the hub has loaded so far."""

import gc

import kubernetes_asyncio.client  # noqa: F401

import jhkube.auth
import jhkube.spawner  # noqa: F401

# A full collection checks every object, about 300,000 right after the start, and stops the hub for 0.2 to 0.3 s.
# Many new pods at the same time cause one. `gc.unfreeze()` in a later file undoes this.
gc.collect()
gc.freeze()

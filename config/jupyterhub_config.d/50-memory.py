"""Python's garbage collector: what the hub has loaded by now stays, and is not looked through again."""

import gc

import kubernetes_asyncio.client  # noqa: F401

import jhkube.auth
import jhkube.spawner  # noqa: F401

# A full collection looks at every object, some 300,000 right after the start, and stops the hub for 0.2 to 0.3 s each
# time. Many new pods at once are what causes one. `gc.unfreeze()` in a later file undoes this.
gc.collect()
gc.freeze()

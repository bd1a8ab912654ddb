"""The hub that `large_hub.py` measures: it beats, reads its spawners' events, and writes down what it found."""

import asyncio
import json
import os
import time
from pathlib import Path

from jupyterhub.app import JupyterHub

bench = json.loads(os.environ["JHKUBE_BENCH"])


class Heart:
    """Beats as often as the loop lets it; the longest time between two beats is the longest block."""

    def __init__(self):
        self.cpu = self.wall = 0.0
        self.task = asyncio.create_task(self._beat())

    async def _beat(self):
        while True:
            cpu, wall = time.thread_time(), time.monotonic()
            await asyncio.sleep(0.005)
            self.cpu = max(self.cpu, time.thread_time() - cpu)
            self.wall = max(self.wall, time.monotonic() - wall - 0.005)


init_spawners = JupyterHub.init_spawners


async def watched_init_spawners(self):
    """From here on the hub works with its pods; what it did before is the same for every spawner."""
    heart = Heart()
    await init_spawners(self)
    self.bench = asyncio.create_task(observe(self, heart))


async def observe(hub, heart):
    try:
        found = await observed(hub, heart)
    except Exception as error:
        found = {"error": repr(error)}
    write(found)


def write(found):
    part = Path(bench["found"] + ".part")
    part.write_text(json.dumps(found))
    part.rename(bench["found"])


async def observed(hub, heart):
    spawners = [user.spawner for user in hub.users.values() if user.spawner.server]
    assert len(spawners) == bench["people"], len(spawners)
    one = spawners[0]
    began = time.monotonic()
    await one._start_watching_pods()
    await one._start_watching_events()
    pods, events = one.pod_reflector, one.event_reflector
    if bench["spawner"].startswith("jhkube"):
        await asyncio.gather(pods.loaded(), events.loaded())
    else:
        await asyncio.gather(pods.first_load_future, events.first_load_future)
    known = time.monotonic() - began
    cpu = time.process_time()
    await asyncio.sleep(bench["seconds"] / 2)
    if bench["spawner"].startswith("jhkube"):
        events._version = None
        events.reconnect()
    await asyncio.sleep(bench["seconds"] / 2)
    cpu = time.process_time() - cpu
    heart.task.cancel()
    if len(pods.pods) != bench["pods"] or len(events.resources) != bench["events"]:
        raise ValueError(f"{len(pods.pods)} pods and {len(events.resources)} events are known")
    rounds = 3
    tick = time.process_time()
    for _ in range(rounds):
        read = [spawner.events for spawner in spawners]
    tick = (time.process_time() - tick) / rounds
    if not all(read):
        raise ValueError("a spawner has no events")
    return {"watch": known, "block_cpu": heart.cpu, "block_wall": heart.wall, "cpu": cpu, "tick": tick}


JupyterHub.init_spawners = watched_init_spawners

c = get_config()  # noqa: F821
if bench["spawner"].startswith("jhkube"):
    load_subconfig(bench["memory"])  # noqa: F821
c.JupyterHub.spawner_class = bench["spawner"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.cookie_secret = b"0" * 32
c.JupyterHub.bind_url = f"http://127.0.0.1:{bench['port']}/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{bench['hub_port']}/"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{bench['proxy_port']}"
c.ConfigurableHTTPProxy.auth_token = "0" * 64
c.JupyterHub.init_spawners_timeout = -1
c.JupyterHub.cleanup_servers = False
c.KubeSpawner.namespace = bench["namespace"]
c.KubeSpawner.pod_connect_ip = "127.0.0.1"
c.KubeSpawner.poll_interval = 0
c.JupyterHub.log_level = "INFO"

"""What a hub has loaded is left out of the garbage collector's rounds, in a process of its own."""

import json
import subprocess
import sys

LOADED = """
import gc, json
import jhkube.spawner
from jhkube.watch._collector import leave_what_is_loaded

gc.disable()
walked = [len(gc.get_objects())]
leave_what_is_loaded()
walked.append(len(gc.get_objects()))
made_later = [[number] for number in range(1000)]
leave_what_is_loaded()
walked.append(len(gc.get_objects()))
print(json.dumps(walked))
"""


def test_a_full_round_walks_what_was_made_later_and_nothing_else():
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    before, after, later = json.loads(said)
    assert before > 100_000
    assert after < 1_000
    assert 1_000 <= later - after < 2_000

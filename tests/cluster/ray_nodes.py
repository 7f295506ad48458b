"""A Ray cluster of two nodes on this machine, one killed in the middle: the merged report is that of one run.

    python ray_nodes.py REPSIM EXAMPLES FOLDER SHARDS COMMAND…
"""

import os
import sys
import threading
import time

repsim, examples, folder, shards, *command = sys.argv[1:]
sys.path.insert(0, os.path.join(examples, "cluster"))
os.environ["PYTHONPATH"] = sys.path[0]  # of the workers

import ray  # noqa: E402
import ray_run  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
report = os.path.join(folder, "ray.json")
states = report + ".states"
killed = []


def kill_one():
    """Kills the second node once a shard is done and others are not."""
    while not any(name.endswith(".state") for name in os.listdir(states)):
        time.sleep(0.05)
    cluster.remove_node(second, allow_graceful=False)
    killed.append(len([name for name in os.listdir(states) if name.endswith(".state")]))
    cluster.add_node(num_cpus=1)


os.makedirs(states)
killer = threading.Thread(target=kill_one, daemon=True)
killer.start()
ray_run.run(command, int(shards), report, repsim=repsim)
killer.join()
if not killed or killed[0] >= int(shards):
    sys.exit("the node was killed after the last shard: nothing was tested")
print(f"a node was killed when {killed[0]} of {shards} shards were done")

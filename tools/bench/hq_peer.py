"""HyperQueue's side of `./dev bench scheduler`: a server and one worker of two cores in this process, through its own
Python API (the wheel has no command line). `hq_peer.py JOBS batch|single FOLDER` runs `true` so often, prints one JSON line.

There is no journal here: what it acknowledges is in memory alone."""

import json
import os
import sys
import time

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig


def job(tasks):
    out = Job()
    for _ in range(tasks):
        out.program(["true"], stdout=None, stderr=None)
    return out


def main():
    jobs, how, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    os.chdir(folder)
    with LocalCluster(server_dir=folder, worker_config=WorkerConfig(cores=2)) as cluster:
        client = cluster.client()
        client.wait_for_jobs([client.submit(job(1))])  # the worker is there
        began = time.perf_counter()
        submitted = [client.submit(job(jobs))] if how == "batch" else [client.submit(job(1)) for _ in range(jobs)]
        accepted = time.perf_counter()
        client.wait_for_jobs(submitted)
        print(json.dumps({"accepted": accepted - began, "seconds": time.perf_counter() - began}))


main()

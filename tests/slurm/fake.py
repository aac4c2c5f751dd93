#!/usr/bin/env python3
"""A Slurm that is none: sbatch, squeue, scancel, scontrol, sacct and srun under these names in FOLDER/bin, jobs as
files in FOLDER/jobs, run on this host. `fake.py FOLDER` makes them.

FOLDER/behave says how they lie, a line each, read at every call:
  sbatch lost        takes the job and never answers        sbatch ghost      does not, and never answers
  sbatch twice       takes the job twice: the first waits, the second runs
  sbatch refuse TEXT ends with "Batch job submission failed: TEXT"            sbatch crash      dies of a signal
  squeue hang | garbage | fail | empty
  pend REASON        new jobs wait with this reason         state WORD        what running jobs are said to be
  over WORD          what jobs are said to have become      accounts UID      sacct answers, of jobs that UID cancelled
"""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("sbatch", "squeue", "scancel", "scontrol", "sacct", "srun")


def make(folder):
    folder = Path(folder)
    for part in ("bin", "jobs"):
        (folder / part).mkdir(parents=True)
    (folder / "behave").write_text("")
    for name in NAMES:
        (folder / "bin" / name).symlink_to(Path(__file__).resolve())
    (folder / "bin/fake-job").symlink_to(Path(__file__).resolve())


class Fake:
    def __init__(self, folder):
        self.folder = folder
        self.rules = {}
        for line in (folder / "behave").read_text().splitlines():
            what, _, how = line.partition(" ")
            self.rules[what] = how

    def update(self, number, /, **values):
        path = self.folder / "jobs" / str(number)
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            job = json.loads(path.read_text()) if path.exists() else {}
            job.update(values)
            new = path.with_suffix(".new")
            new.write_text(json.dumps(job))
            new.rename(path)
        return job

    def job(self, number):
        path = self.folder / "jobs" / str(number)
        return json.loads(path.read_text()) if path.exists() else None

    def jobs(self):
        names = [name for name in os.listdir(self.folder / "jobs") if name.isdigit()]
        return [self.job(int(name)) for name in sorted(names, key=int)]

    # --- commands
    def sbatch(self, words):
        how = self.rules.get("sbatch", "")
        if how == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if how.startswith("refuse "):
            print(f"sbatch: error: Batch job submission failed: {how[7:]}", file=sys.stderr)
            return 1
        if how == "ghost":
            time.sleep(600)
        options = {}
        while words and words[0].startswith("--"):
            name, _, value = words.pop(0)[2:].partition("=")
            options[name] = value
        reason = self.rules.get("pend", "")
        number = self.take(options, words, "Priority" if how == "twice" else reason)
        if how == "twice":
            self.take(options, words, reason)
        if how == "lost":
            time.sleep(600)
        print(number)
        return 0

    def take(self, options, words, reason):
        with open(self.folder / "count", "a+") as count:
            fcntl.flock(count, fcntl.LOCK_EX)
            count.write("x")
            count.flush()
            number = count.tell()
        self.update(number, number=number, state="PENDING", reason=reason or "None", options=options,
                    comment=options.get("comment", ""), words=words)
        if not reason:
            # Of its own: neither the test's nor the coordinator's end touches it.
            subprocess.Popen([str(self.folder / "bin/fake-job"), str(number)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        return number

    def fake_job(self, words):
        number = int(words[0])
        job = self.update(number, state="RUNNING")
        options = job["options"]
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("SLURM_") or key == "SLURM_JWT"}
        environment.update(SLURM_JOB_ID=str(number), SLURM_JOB_NUM_NODES="1", SLURM_PROCID="0", SLURM_NTASKS="1")
        with open(options["output"], "ab") as log:
            batch = subprocess.Popen(["/bin/bash", *job["words"]], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env=environment, cwd="/", start_new_session=True)
        self.update(number, batch=batch.pid)
        code = batch.wait()
        if self.job(number)["state"] != "CANCELLED":
            self.update(number, state="COMPLETED" if code == 0 else "FAILED")
        return 0

    def squeue(self, _):
        how = self.rules.get("squeue", "")
        if how == "hang":
            time.sleep(600)
        if how == "fail":
            print("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", file=sys.stderr)
            return 1
        if how == "garbage":
            print("JOBID PARTITION\n1|COMPL\n|||\n9|COMPLETED|None|n1|x|y\n\x00\xff|RUNNING|a|b|c")
            return 0
        if how == "empty":
            return 0
        for job in self.jobs():
            state = job["state"]
            if state == "RUNNING":
                state = self.rules.get("state", state)
            if state in ("COMPLETED", "FAILED"):
                state = self.rules.get("over", state)
            print(f"{job['number']}|{state}|{job['reason']}|localhost|{job['comment']}")
        return 0

    def scancel(self, words):
        number = int(words[-1])
        sent = next((word[9:] for word in words if word.startswith("--signal=")), None)
        job = self.job(number)
        with open(self.folder / "cancels", "a") as log:
            log.write(shlex.join(words) + "\n")
        if sent:
            os.kill(job["batch"], getattr(signal, "SIG" + sent))
            return 0
        self.update(number, state="CANCELLED")
        if "batch" in job:
            try:
                os.kill(job["batch"], signal.SIGTERM)
            except ProcessLookupError:
                pass
        return 0

    def scontrol(self, words):
        job = self.job(int(words[-1])) if self.rules.get("squeue") != "empty" else None
        if not job:
            print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
            return 1
        print(f"JobId={job['number']} JobName=rekindle JobState={job['state']} Reason={job['reason']}")
        return 0

    def sacct(self, words):
        if uid := self.rules.get("accounts"):
            state = self.job(int(words[-1]))["state"]
            print(f"CANCELLED by {uid}" if state == "CANCELLED" else state)
            return 0
        print("Slurm accounting storage is disabled", file=sys.stderr)
        return 1

    def srun(self, words):
        options = {}
        while words[0].startswith("--"):
            name, _, value = words.pop(0)[2:].partition("=")
            options[name] = value
        world = int(options["ntasks"])
        tasks = []
        for rank in range(world):
            environment = dict(os.environ, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_NODEID="0",
                               SLURM_STEP_NUM_TASKS=str(world), SLURM_STEP_TASKS_PER_NODE=str(world))
            tasks.append(subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL))

        def forward(number, _):
            for task in tasks:
                task.send_signal(number)

        signal.signal(signal.SIGUSR1, forward)
        signal.signal(signal.SIGTERM, forward)
        worst = 0
        for task in tasks:
            code = task.wait()
            worst = max(worst, code if code >= 0 else 128 - code)
        return worst


def main():
    name = Path(sys.argv[0]).name
    if name == "fake.py":
        make(sys.argv[1])
        return 0
    fake = Fake(Path(sys.argv[0]).absolute().parent.parent)
    if token := os.environ.get("SLURM_JWT"):
        with open(fake.folder / "callers", "a") as log:
            log.write(f"{name} {os.getuid()} {token}\n")
    return getattr(fake, name.replace("-", "_"))(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

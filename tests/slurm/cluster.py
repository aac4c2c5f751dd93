#!/usr/bin/env python3
"""A Slurm of its own for tests: munged, slurmctld and slurmd in one folder, on loopback, without systemd or cgroups.

As a program, `cluster.py FOLDER [--nodes N] [--gpus N]` starts them, prints the path of slurm.conf, and ends them when its
standard input ends (with --until-told: at SIGTERM). Needs the Debian packages slurm-wlm and munge, and root (slurmd starts
other users' processes).
"""

import argparse
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")

CONFIG = """\
ClusterName=rekindle
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ctld}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
SlurmdParameters=config_overrides
ReturnToService=2
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=300
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=5 State=UP
"""
NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus} {gres} State=UNKNOWN\n"
JWT = "AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key={folder}/state/jwt.key\n"
DEVICES = ("/dev/null", "/dev/zero")  # that every host has
PLUGINS = Path("/usr/lib/x86_64-linux-gnu/slurm-wlm")


def missing():
    """Why there can be no cluster here; empty: there can."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [name for name in NEEDED if not shutil.which(name, path=search)]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd has to be started by root"


def missing_jwt():
    """Why there can be no cluster with users' own tokens here; empty: there can."""
    if why := missing():
        return why
    return "" if (PLUGINS / "auth_jwt.so").exists() else "no auth/jwt: apt-get install slurm-wlm-jwt-plugin"


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def die_with_parent():
    ctypes.CDLL("libc.so.6").prctl(1, signal.SIGKILL)


class Cluster:
    """`nodes`: slurmds on this host, each a node of Slurm's with four cores in all. `gpus`: of each node, at
    most two, which are none: Slurm hands them out all the same. `jwt`: users may act by tokens."""

    def __init__(self, folder, nodes=1, gpus=0, jwt=False):
        self.folder = Path(folder)
        self.nodes = ["localhost"] if nodes == 1 else [f"n{i + 1}" for i in range(nodes)]
        self.gpus = gpus
        self.jwt = jwt
        self.config = self.folder / "slurm.conf"
        self.daemons = []
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_CONF": str(self.config), "HOME": "/",
                            "USER": pwd.getpwuid(os.geteuid()).pw_name}

    def spawn(self, *argv):
        with open(self.folder / f"{argv[0]}.out", "ab") as log:
            daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                                      preexec_fn=die_with_parent)
        self.daemons.append(daemon)
        return daemon

    def start(self):
        self.folder.chmod(0o755)  # munged refuses a socket below a private folder
        for name in ("munge", "state", *(f"spool-{node}" for node in self.nodes)):
            (self.folder / name).mkdir(mode=0o700)
        for node in self.nodes:  # where PMIx has its folders, by job: two nodes of one host must not meet there
            (self.folder / f"tmp-{node}").mkdir()
            (self.folder / f"tmp-{node}").chmod(0o1777)
        (self.folder / "munge/key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge/key").chmod(0o400)
        self.write_config()
        munge = self.folder / "munge"
        self.spawn("munged", "--foreground", f"--key-file={munge}/key", f"--socket={self.folder}/munge.socket",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
                   "--num-threads=2")
        self.wait_for("munged", lambda: (self.folder / "munge.socket").exists())
        self.spawn("slurmctld", "-D", "-c")
        for node in self.nodes:
            self.spawn("slurmd", "-D", "-N", node)
        idle = [f"{len(self.nodes)} idle"]
        self.wait_for("idle nodes", lambda: self.tell("sinfo", "--noheader", "--partition=main", "--format=%D %T",
                                                      check=False).splitlines() == idle)
        return self

    def write_config(self):
        ctld, *ports = free_ports(1 + len(self.nodes))
        text = CONFIG.format(folder=self.folder, ctld=ctld)
        if self.jwt:
            key = self.folder / "state/jwt.key"
            key.touch(mode=0o600)
            key.write_bytes(secrets.token_bytes(32))
            text += JWT.format(folder=self.folder)
        if self.gpus:
            (self.folder / "gres.conf").write_text("".join(
                f"NodeName={','.join(self.nodes)} Name=gpu Type=a100 File={device}\n" for device in DEVICES[:self.gpus]))
            text += "GresTypes=gpu\n"
        for name, port in zip(self.nodes, ports):
            text += NODE.format(name=name, port=port, cpus=max(1, 4 // len(self.nodes)),
                                gres=f"Gres=gpu:a100:{self.gpus}" if self.gpus else "")
        self.config.write_text(text)

    def token(self, user, seconds=3600):
        """What a user would hand to whoever is to act for them."""
        return self.tell("scontrol", "token", f"username={user}", f"lifespan={seconds}").strip()

    def wait_for(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            for daemon in self.daemons:
                if daemon.poll() is not None:
                    raise RuntimeError(f"{daemon.args[0]} ended with {daemon.returncode}: {self.logs()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {seconds} s for {what}: {self.logs()}")
            time.sleep(0.1)

    def logs(self):
        texts = [path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.out"))]
        texts += [path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(texts)

    def tell(self, *argv, check=True):
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def jobs(self, comment=""):
        """(number, state) of the jobs whose comment begins so."""
        lines = self.tell("squeue", "--noheader", "--states=all", "--format=%i|%T|%k").splitlines()
        rows = [line.split("|", 2) for line in lines]
        return [(int(number), state) for number, state, said in rows if said.startswith(comment)]

    def stop(self):
        if self.daemons and all(daemon.poll() is None for daemon in self.daemons):
            for state in ("PENDING", "RUNNING", "SUSPENDED"):
                self.tell("scancel", f"--state={state}", check=False)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                if not self.tell("squeue", "--noheader", check=False).strip():
                    break
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []


def main():
    if why := missing():
        print(f"SKIP {why}", flush=True)
        return 77
    words = argparse.ArgumentParser()
    words.add_argument("folder")
    words.add_argument("--nodes", type=int, default=1)
    words.add_argument("--gpus", type=int, default=0)
    words.add_argument("--until-told", action="store_true")
    asked = words.parse_args()
    cluster = Cluster(asked.folder, nodes=asked.nodes, gpus=asked.gpus)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        cluster.start()
        print(cluster.config, flush=True)
        if asked.until_told:
            signal.pause()
        sys.stdin.read()
    finally:
        cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

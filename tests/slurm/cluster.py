#!/usr/bin/env python3
"""A Slurm of its own for tests: munged, slurmctld and slurmd in one folder, on loopback, without systemd or cgroups.

As a program, `cluster.py FOLDER` starts them, prints the path of slurm.conf, and ends them when its standard
input ends (with --until-told: at SIGTERM). Needs the Debian packages slurm-wlm and munge, and root (slurmd starts other users'
processes).
"""

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
SlurmdPort={slurmd}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
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
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=localhost MaxTime=5 State=UP
"""


def missing():
    """Why there can be no cluster here; empty: there can."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [name for name in NEEDED if not shutil.which(name, path=search)]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd has to be started by root"


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
    def __init__(self, folder):
        self.folder = Path(folder)
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
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o700)
        (self.folder / "munge/key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge/key").chmod(0o400)
        ctld, slurmd = free_ports(2)
        self.config.write_text(CONFIG.format(folder=self.folder, ctld=ctld, slurmd=slurmd))
        munge = self.folder / "munge"
        self.spawn("munged", "--foreground", f"--key-file={munge}/key", f"--socket={self.folder}/munge.socket",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
                   "--num-threads=2")
        self.wait_for("munged", lambda: (self.folder / "munge.socket").exists())
        self.spawn("slurmctld", "-D", "-c")
        self.spawn("slurmd", "-D", "-N", "localhost")
        self.wait_for("an idle node", lambda: "idle" in self.tell("sinfo", "--noheader", "--format=%T", check=False))
        return self

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
            self.tell("scancel", "--state=PENDING", "--user=0", check=False)
            self.tell("scancel", "--user=0", check=False)
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
    cluster = Cluster(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        cluster.start()
        print(cluster.config, flush=True)
        if sys.argv[2:] == ["--until-told"]:
            signal.pause()
        sys.stdin.read()
    finally:
        cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

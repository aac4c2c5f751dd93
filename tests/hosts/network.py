#!/usr/bin/env python3
"""Hosts for tests, on this one machine: each has a network, a name, processes and shared memory of its own, and is
reached by TCP alone, from the host of whoever made them. Its end ends all that runs there.

`network.py FOLDER NAME...` makes them, prints the words of a launch agent for them, and ends them when it is told to by
SIGTERM, or a line "SKIP why". The caller has entered a network namespace of its own (own_network)."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEW_NETWORK = 0x40000000


def missing():
    """Why hosts cannot be made here; empty: they can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    for program in ("ip", "unshare", "mpirun"):
        if not shutil.which(program):
            return f"there is no {program}"
    tried = subprocess.run(["unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "true"],
                           capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


def own_network():
    """This thread, and what it starts from now on, is alone on a network with nothing but its loopback."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


class Network:
    """Hosts by name, with 10.77.0.2 and so on; their maker is 10.77.0.1."""

    def __init__(self, folder, names):
        self.folder = Path(folder)
        self.names = list(names)
        self.hosts = {}

    def start(self):
        ip("link", "set", "lo", "up")
        ip("link", "add", "name", "bridge", "type", "bridge")
        ip("addr", "add", "10.77.0.1/24", "dev", "bridge")
        ip("link", "set", "bridge", "up")
        for name in self.names:
            self.start_host(name)

    def address(self, name):
        return f"10.77.0.{self.names.index(name) + 2}"

    def agent(self):
        return [sys.executable, str(HERE / "agent.py"), str(self.folder)]

    def start_host(self, name):
        ready = self.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        host = subprocess.Popen(["unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child",
                                 sys.executable, str(HERE / "host.py"), name, str(self.folder)],
                                stdin=subprocess.DEVNULL)
        self.hosts[name] = host
        link = f"to-{name}"
        wait_for(lambda: (self.folder / f"{name}.begun").exists(), f"{name} to begin")
        pid = self.pid_of(name)
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        ip("link", "set", link, "master", "bridge", "up")
        (self.folder / f"{name}.address").write_text(self.address(name))
        wait_for(ready.exists, f"{name} to be ready")

    def pid_of(self, name):
        """Of its first process, as its maker sees it."""
        children = Path(f"/proc/{self.hosts[name].pid}/task/{self.hosts[name].pid}/children")
        return int(wait_for(lambda: children.read_text().split(), f"{name} to be there")[0])

    def on(self, name, command):
        """What it says there."""
        return subprocess.run([*self.agent(), name, command], capture_output=True, text=True, timeout=30).stdout

    def cut(self, name):
        ip("link", "set", f"to-{name}", "down")

    def mend(self, name):
        ip("link", "set", f"to-{name}", "up")

    def end(self, name):
        host = self.hosts.pop(name)
        host.kill()  # unshare --kill-child: its first process goes with it, and with that one all others
        host.wait()
        (self.folder / f"{name}.begun").unlink(missing_ok=True)

    def stop(self):
        for name in list(self.hosts):
            self.end(name)


def wait_for(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
    return answer


def main():
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    if why := missing():
        print(f"SKIP {why}", flush=True)
        return
    network = Network(folder, names)
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    try:
        network.start()
        print(*network.agent(), flush=True)
        while not told:
            time.sleep(0.1)
    finally:
        network.stop()


if __name__ == "__main__":
    main()

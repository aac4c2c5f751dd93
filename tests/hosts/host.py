#!/usr/bin/env python3
"""host.py NAME FOLDER: first process of a test's host. Runs what agents send it through a shell, as sshd does, and
buries what was orphaned."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

PORT = 2222


def serve(connection):
    with connection:
        command = b""
        while not command.endswith(b"\0"):
            piece = connection.recv(65536)
            if not piece:
                return
            command += piece
        child = subprocess.Popen(["/bin/sh", "-c", command[:-1].decode()], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                                 env={"PATH": os.environ["PATH"], "HOME": "/root"}, start_new_session=True)
        try:
            while piece := os.read(child.stdout.fileno(), 65536):
                connection.sendall(piece)
        except OSError:
            pass
        code = buried(child)
        try:
            connection.sendall(b"\0%d" % code)
        except OSError:
            pass


ended = {}
lock = threading.Condition()


def buried(child):
    with lock:
        while child.pid not in ended:
            lock.wait(1)
        child.returncode = ended[child.pid]
        return ended.pop(child.pid)


def bury():
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.02)
            continue
        with lock:
            ended[pid] = os.waitstatus_to_exitcode(status) & 255
            lock.notify_all()


def main():
    name, folder = sys.argv[1], Path(sys.argv[2])
    socket.sethostname(name)
    run = lambda *words: subprocess.run(words, check=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
    run("ip", "link", "set", "lo", "up")
    (folder / f"{name}.begun").touch()
    address = folder / f"{name}.address"
    while subprocess.run(["ip", "link", "show", "eth0"], capture_output=True).returncode or not address.exists():
        time.sleep(0.02)
    run("ip", "addr", "add", f"{address.read_text()}/24", "dev", "eth0")
    run("ip", "link", "set", "eth0", "up")
    server = socket.create_server((address.read_text(), PORT), backlog=100)
    threading.Thread(target=bury, daemon=True).start()
    (folder / f"{name}.ready").touch()
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()

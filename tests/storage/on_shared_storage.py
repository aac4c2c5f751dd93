#!/usr/bin/env python3
"""Runs a test program whose temporary folder lies behind a file server: on a real NFS export where this host can make
one, and on nfs_like (nfs_like.cc), which shows its faults on demand.

    on_shared_storage.py NFS_LIKE_OR_EMPTY CACHE_SECONDS PROGRAM ARGUMENTS...

nfs_like keeps what it knows for CACHE_SECONDS: with more than none a program's own change whose answer was lost is
seen late, too, which a client of NFS, who sees that the folder has changed, would look up anew.
The program finds TMPDIR below the mount, REKINDLE_BEHIND (the folder as the server's own host sees it) and
REKINDLE_RULES (what nfs_like is told). Ends with 77, and says why, where neither can be had.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Every answer that a program has to be ready to miss is missed now and then.
RULES = "each rename 3\neach link 2\neach mkdir 3\neach create 4\neach unlink 5\n"


def no_nfs():
    if "nfs" not in Path("/proc/filesystems").read_text().split():
        return "this kernel has no NFS client (/proc/filesystems)"
    for program in ("exportfs", "rpc.nfsd", "mount.nfs"):
        if not shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin"):
            return f"no {program}: apt-get install nfs-kernel-server nfs-common"
    return "" if os.geteuid() == 0 else "an export takes root"


def run_on(mount, behind, rules, command):
    folder = Path(tempfile.mkdtemp(dir=mount, prefix="suite-"))
    environment = dict(os.environ, TMPDIR=str(folder), REKINDLE_BEHIND=str(Path(behind) / folder.name),
                       REKINDLE_RULES=str(rules))
    return subprocess.run(command, env=environment).returncode


def on_nfs(command):
    """None: cannot be had here."""
    if why := no_nfs():
        print(f"SKIP on real NFS: {why}", flush=True)
        return None
    with tempfile.TemporaryDirectory(prefix="rekindle-nfs-") as base:
        behind, mount = Path(base) / "behind", Path(base) / "mount"
        behind.mkdir(), mount.mkdir()
        export = f"127.0.0.1:{behind}"
        ready = subprocess.run(["exportfs", "-o", "rw,no_root_squash,insecure,fsid=7919", export]).returncode == 0
        if not ready or subprocess.run(["mount", "-t", "nfs", "-o", "nolock,vers=3", export, mount]).returncode != 0:
            subprocess.run(["exportfs", "-u", export])
            print("SKIP on real NFS: the export could not be made or mounted", flush=True)
            return None
        try:
            return run_on(mount, behind, "", command)
        finally:
            subprocess.run(["umount", mount])
            subprocess.run(["exportfs", "-u", export])


def on_nfs_like(server, cache, command):
    if not server or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("SKIP on nfs_like: " + ("no /dev/fuse for this user" if server else "not built (libfuse3-dev)"), flush=True)
        return None
    with tempfile.TemporaryDirectory(prefix="rekindle-nfs-like-") as base:
        behind, mount, rules = (Path(base) / name for name in ("behind", "mount", "rules"))
        behind.mkdir(), mount.mkdir()
        rules.write_text(RULES)
        daemon = subprocess.Popen([server, behind, mount, rules, cache], stdin=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while not os.path.ismount(mount):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    print("SKIP on nfs_like: it could not be mounted", flush=True)
                    return None
                time.sleep(0.05)
            return run_on(mount, behind, rules, command)
        finally:
            subprocess.run(["umount", mount], stderr=subprocess.DEVNULL)
            daemon.terminate()
            daemon.wait()


def main():
    server, cache, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    ended = [code for code in (on_nfs(command), on_nfs_like(server, cache, command)) if code is not None]
    return max(ended) if ended else 77


if __name__ == "__main__":
    sys.exit(main())

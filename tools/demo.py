#!/usr/bin/env python3
"""./dev demo: the loop on a year of flights, through the product's own programs and verbs.

Starts the coordinator and one serving node, imports the data, trains version 1 on January, replays the
rest of the year in event time and sums up. Everything lives in build/demo and is stopped at the end."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

JOB = "flight-delay"
ROOT = Path(__file__).resolve().parents[1]


class Demo:
    """The processes and the folder of one demo."""

    def __init__(self, build, data, folder):
        self.bin = Path(build).resolve() / "bin"
        self.data = Path(data).resolve()
        self.folder = Path(folder).resolve()
        self.state = self.folder / "state"
        self.node = None

    def verb(self, *arguments, capture=False):
        """Runs `rekindle ARGUMENTS` on the demo's state folder; its output is the demo's."""
        command = [str(self.bin / "rekindle"), "--state", str(self.state), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE if capture else None, text=True)
        if done.returncode != 0:
            raise SystemExit(f"demo: `rekindle {' '.join(map(str, arguments))}` ended with {done.returncode}; "
                             f"logs are in {self.folder}")
        return done.stdout

    def start(self):
        if (self.state / "address").exists():
            subprocess.run([str(self.bin / "rekindle"), "--state", str(self.state), "down"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.verb("up", "--slots", 2)

    def start_node(self):
        """One serving node; ready means that it answers with the version that the plan names."""
        log = open(self.folder / "node.log", "ab")
        self.node = subprocess.Popen(
            [str(self.bin / "rekindle-serve"), "--name", "node-1", "--model", JOB,
             "--coordinator", (self.state / "address").read_text().strip(),
             "--token-file", str(self.state / "serving-token"),
             "--operator-token-file", str(self.state / "token"),
             "--artifacts", str(self.state / "artifacts"),
             "--state", str(self.folder / "node"), "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.node.poll() is not None:
                raise SystemExit(f"demo: the serving node ended; see {self.folder / 'node.log'}")
            status = json.loads(self.verb("serving", "--json", capture=True))
            for node in status.get("nodes", []):
                if any(v.get("state") == "READY" for v in node.get("versions", [])):
                    return (self.folder / "node" / "address").read_text().strip()
            time.sleep(0.1)
        raise SystemExit(f"demo: the serving node was not ready within 30 s; see {self.folder / 'node.log'}")

    def stop(self):
        if self.node and self.node.poll() is None:
            self.node.send_signal(signal.SIGTERM)
            try:
                self.node.wait(20)
            except subprocess.TimeoutExpired:
                self.node.kill()
        if (self.state / "address").exists():
            subprocess.run([str(self.bin / "rekindle"), "--state", str(self.state), "down"],
                           stdout=subprocess.DEVNULL)


def heading(text):
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", default=str(ROOT / "build" / "demo"), help="where the demo keeps its state")
    parser.add_argument("--control", action="store_true",
                        help="permute the rows' times over the year: no drift is left to find")
    parser.add_argument("--keep", action="store_true", help="leave all running and print addresses")
    parser.add_argument("--report", help="write the figures as JSON to this file")
    parser.add_argument("--until", help="replay up to this time only, such as 2013-02-15")
    options = parser.parse_args()

    demo = Demo(options.build, options.data, options.folder)
    started = time.monotonic()
    keep = False
    try:
        heading("coordinator")
        demo.start()
        heading("data: a year of flights" + (", times permuted" if options.control else ""))
        imports = ["dataset", "import", ROOT / "jobs/imports/flights.yaml", "--source", demo.data]
        demo.verb(*imports, *(["--permute-times", 7] if options.control else []))
        heading("version 1: trained on January with 2 ranks")
        demo.verb("apply", ROOT / f"jobs/specs/{JOB}.yaml")
        demo.verb("run", JOB, "--wait")
        heading("serving node")
        node = demo.start_node()
        print(f"answers at {node}/v2/models/{JOB}/infer")
        heading("the rest of the year, in event time")
        replay = ["replay", JOB, "--dataset", "flights@2013-02..2013-12", "--node", node, "--compare", 1, "--cron",
                  "--group-by", "origin", "--table-by", "sched_minute/60"]
        if options.until:
            replay += ["--until", options.until]
        if options.report:
            replay += ["--report", Path(options.report).resolve()]
        demo.verb(*replay)
        print(f"\nwhole demo: {time.monotonic() - started:.0f} s", flush=True)
        keep = options.keep
        if keep:
            print(f"coordinator  {(demo.state / 'address').read_text().strip()}   "
                  f"(rekindle --state {demo.state} status)")
            print(f"serving node {node}   (pid {demo.node.pid}; tokens in {demo.state})")
            print(f"stop both with: kill {demo.node.pid}; {demo.bin}/rekindle --state {demo.state} down")
    finally:
        if not keep:
            demo.stop()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

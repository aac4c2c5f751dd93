#!/usr/bin/env python3
"""A predictor of the kind `process` for tests: the model `linear` in plain Python, from the files of a version
($REKINDLE_MODEL), so also an outside oracle for the built-in kind. `--fault` makes it misbehave."""

import http.server
import json
import math
import os
import signal
import socketserver
import struct
import subprocess
import sys
import time
from pathlib import Path

FAULT = sys.argv[sys.argv.index("--fault") + 1] if "--fault" in sys.argv else ""
FILE = sys.argv[sys.argv.index("--file") + 1] if "--file" in sys.argv else ""
FOLDER = Path(os.environ["REKINDLE_MODEL"])


def read_tensors(data):
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    out = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        out[name] = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    return out


CARD = json.loads((FOLDER / "model.json").read_text())
TENSORS = read_tensors((FOLDER / "model.safetensors").read_bytes())


def predict(columns, row):
    logit, at = TENSORS["layer0.bias"][0], 0
    weights = TENSORS["layer0.weight"]
    for numeric in CARD["transforms"].get("numeric", []):
        value = columns[numeric["column"]][row]
        missing = value is None
        if not missing:
            clipped = min(max(value, numeric.get("low", 0)), numeric.get("high", 0))
            logit += weights[at] * (clipped - numeric.get("mean", 0)) / numeric["scale"]
        at += 1
        if numeric.get("indicator"):
            logit += weights[at] * missing
            at += 1
    for categorical in CARD["transforms"].get("categorical", []):
        value = columns[categorical["column"]][row]
        index = categorical["values"].index(value) + 1 if value in categorical["values"] else 0
        logit += TENSORS["embedding." + categorical["column"]][index]
    return 1 / (1 + math.exp(-logit))


def once(name):
    """True the first time in all lives of this version's processes."""
    try:
        (FOLDER / name).touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def misbehave(columns):
    """What a faulty predictor answers in place of its values; None: go on."""
    if FAULT == "die-when" and os.path.exists(FILE):
        print("the file is there", file=sys.stderr, flush=True)
        os._exit(9)
    if FAULT == "stop-when" and os.path.exists(FILE) or FAULT == "stop-once" and once("stopped"):
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)  # the signal stops another thread first
    if FAULT == "kill-once" and once("killed") or FAULT == "kill-always":
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if FAULT == "bomb-once" and once("bombed"):
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 16)) * 64)
    if FAULT == "child-bomb-once" and once("bombed"):
        subprocess.run([sys.executable, "-c", "import os\nh = []\nwhile True: h.append(bytearray(os.urandom(1 << 16)) * 64)"])
    if FAULT == "too-few":
        return [0.5]
    if FAULT == "nan":
        return [float("nan")] * len(next(iter(columns.values())))
    if FAULT == "null":
        return [None] * len(next(iter(columns.values())))
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0" if FAULT == "http-1.0" else "HTTP/1.1"

    def do_GET(self):
        self.answer(503 if FAULT == "never-ready" else 200, b"{}")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        columns = {tensor["name"]: tensor["data"] for tensor in request["inputs"]}
        if FAULT == "not-json":
            return self.answer(200, b"<html>it works</html>")
        if FAULT == "huge":
            return self.answer(200, b'{"outputs": [{"data": [' + b"0.5, " * 20_000_000 + b"0.5]}]}")
        if FAULT == "error-500":
            return self.answer(500, b'{"error": "division by zero in predict()"}')
        if FAULT == "slow":
            time.sleep(0.3)
        rows = len(next(iter(columns.values())))
        values = misbehave(columns) or [predict(columns, row) for row in range(rows)]
        body = {
            "model_name": "m",
            "outputs": [{"name": "probability", "datatype": "FP64", "shape": [len(values)], "data": values}],
        }
        self.answer(200, json.dumps(body).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def leave_a_child():
    """A process that outlives its parent in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (FOLDER / "stray").write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)


def main():
    if FAULT == "exit-3":
        print("first line\nno module named 'frobnicate'", file=sys.stderr)
        sys.exit(3)
    if FAULT == "slow-start":
        time.sleep(1)
    if FAULT == "hoard":  # before it is ready
        hoard = [os.urandom(1 << 16) * 16 for _ in range(int(sys.argv[sys.argv.index("--megabytes") + 1]))]
        time.sleep(600 if hoard else 0)
    if FAULT == "late":
        time.sleep(600)
    if FAULT == "double-fork":
        leave_a_child()
    if FAULT == "chatty":
        for line in range(200_000):
            print(f"line {line} of far too many", file=sys.stderr)
    if FAULT == "environment":
        (FOLDER / "environment").write_text("\n".join(sorted(os.environ)))
        (FOLDER / "status").write_text(Path("/proc/self/status").read_text())
    Server(os.environ["REKINDLE_SOCKET"], Handler).serve_forever()


main()

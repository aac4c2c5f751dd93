"""Bad input of groups A, C and G of docs/proofs.md against the real programs over real sockets: what a stranger, a
submitter or a neighbour on the network may send. Every answer is a refusal, both programs live, their memory stays
flat, and no secret is told."""

import gzip
import json
import os
import re
import socket
import threading
import time
import unittest
from pathlib import Path

from harness import LoopTest, processes_below, wait_for

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /health HTTP/1.1\r\n"
STATUS = "/rekindle.v1.AdminService/Status"
SLOW_CLIENTS = 500
# What one program may grow by over everything that is thrown at it here.
GROWTH_BYTES_MAX = 96 << 20


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def ask(port, data):
    """Everything that the server says to these bytes until it closes, or for two seconds."""
    with connect(port) as client:
        client.settimeout(2)
        out = b""
        try:
            client.sendall(data)
        except OSError:
            pass  # refused before all was read
        try:
            while chunk := client.recv(65536):
                out += chunk
        except OSError:
            pass
        return out


def status_of(answer):
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(match[1]) if match else None


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def listeners_of(pids):
    """(address, port) of each TCP socket in the hex of /proc/net/tcp on which one of these processes listens."""
    sockets = set()
    for pid in pids:
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
        except OSError:
            continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(table).read().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(tuple(fields[1].split(":")))
    return found


class HttpListeners(LoopTest):
    """Rows A1 to A13 and G61 to G63, on rekindled and on rekindle-serve alike."""

    def setUp(self):
        super().setUp()
        self.loop.start_daemon()
        self.loop.start_node("nothing")
        self.ports = {"rekindled": self.loop.port(), "rekindle-serve": self.loop.node_port()}
        self.pids = {"rekindled": self.loop.daemon.pid, "rekindle-serve": self.loop.node.pid}
        self.secrets = [(self.loop.state / name).read_text().strip() for name in ("token", "serving-token")]
        self.before = {name: memory(pid) for name, pid in self.pids.items()}

    def tearDown(self):
        try:
            for name, port in self.ports.items():
                self.assertEqual(200, status_of(ask(port, GET + HOST + b"Connection: close\r\n\r\n")), f"{name} lives")
                self.assertLess(memory(self.pids[name]) - self.before[name], GROWTH_BYTES_MAX, f"{name} has grown")
            logs = self.loop.daemon_log() + (self.loop.folder / "node.log").read_text(errors="replace")
            for secret in self.secrets:
                self.assertNotIn(secret, logs)
        finally:
            super().tearDown()

    def refused(self, data, *statuses):
        for name, port in self.ports.items():
            with self.subTest(program=name, request=data[:100]):
                answer = ask(port, data)
                self.assertIn(status_of(answer), statuses, answer[:300])
                self.assertEqual(1, len(re.findall(rb"HTTP/1\.[01] \d{3} ", answer)), "one answer: what followed was no request")
                for secret in self.secrets:
                    self.assertNotIn(secret.encode(), answer)

    def post(self, fields, body=b"", path=STATUS, token=None):
        bearer = f"Authorization: Bearer {token or self.secrets[0]}\r\n".encode()
        return b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + bearer + fields + b"\r\n" + body

    def test_requests_that_two_readers_read_in_two_ways(self):
        smuggled = GET + HOST + b"\r\n"
        for fields in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                       b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: +5\r\n",
                       b"Content-Length: 0x5\r\n", b"Content-Length: 5, 6\r\n", b"Content-Length: " + b"9" * 30 + b"\r\n",
                       b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: xchunked\r\n",
                       b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: gzip, chunked\r\n"):
            self.refused(self.post(fields, b"0\r\n\r\n" + smuggled), 400)
        for target in (b"http://169.254.169.254/", b"/a/%2e%2e/health", b"//health", b"/health%00", b"/a%2fb",
                       b"/%c0%ae%c0%ae/health", b"/a%5cb", b"/%"):
            self.refused(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 400)
        self.refused(b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 400)
        self.refused(b"TRACE /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 405)
        self.refused(GET + b"\r\n", 400)
        self.refused(GET + HOST + HOST + b"\r\n", 400)
        self.refused(GET + b"Host: rebound.example\r\nConnection: close\r\n\r\n", 421)
        self.refused(GET + HOST + b"a: b\r\n" * 10_000 + b"\r\n", 431)
        self.refused(GET + HOST + b"a: " + b"x" * (1 << 20) + b"\r\n\r\n", 431)

    def test_bodies_that_are_larger_than_they_look(self):
        # The node's own route that takes bodies is its Connect one.
        routes = {"rekindled": STATUS, "rekindle-serve": "/rekindle.v1.NodeService/Feedback"}
        for name, path in routes.items():
            port = self.ports[name]
            chunked = b"Content-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"

            def send(fields, body=b""):
                return status_of(ask(port, self.post(fields, body, path)))
            with self.subTest(program=name):
                for size in (b"fffffffffffffffff", b"-1", b"0x1", b" 1", b""):
                    self.assertEqual(400, send(chunked, size + b"\r\na\r\n0\r\n\r\n"), size)
                self.assertEqual(400, send(chunked, b"2\na\n0\n\n\r\n"))
                self.assertEqual(413, send(chunked, b"2;" + b"x" * (1 << 20) + b"\r\n{}\r\n0\r\n\r\n"))
                crumbs = b"1\r\n{\r\n1\r\n}\r\n" + b"1\r\n \r\n" * 3_000_000 + b"0\r\n\r\n"
                self.assertIn(send(chunked, crumbs), (200, 404), "read to its end")
                length = b"Content-Type: application/json\r\nContent-Length: %d\r\n"
                self.assertEqual(413, send(length % ((16 << 20) + 1)), "before the body is sent")
                bomb = gzip.compress(b"\0" * (128 << 20), 9)
                packed = b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n" % len(bomb)
                self.assertEqual(429, send(packed + b"Connection: close\r\n", bomb), "Connect's status of too large")
                self.assertLess(memory(self.pids[name]) - self.before[name], GROWTH_BYTES_MAX)

    def test_web_pages_and_tokens_in_the_wrong_place(self):
        good = self.secrets[0]
        json_type = b"Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n"
        self.assertEqual(200, status_of(ask(self.ports["rekindled"], self.post(json_type, b"{}"))))
        for origin in (b"http://evil.example", b"null", b"http://127.0.0.1"):
            self.refused(self.post(json_type + b"Origin: " + origin + b"\r\n", b"{}"), 403)
        plain = b"Content-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n"
        for name, path in (("rekindled", STATUS), ("rekindle-serve", "/rekindle.v1.NodeService/Feedback")):
            self.assertEqual(415, status_of(ask(self.ports[name], self.post(plain, b"{}", path))))
        for query in (f"token={good}", f"access_token={good}", f"q={good}", "api_key=1"):
            self.refused(f"GET /health?{query} HTTP/1.1\r\n".encode() + HOST + b"Connection: close\r\n\r\n", 400)
        closed = {"rekindled": "/rekindle.v1.AdminService/Status", "rekindle-serve": "/rekindle.v1.NodeService/Flush"}
        for name, port in self.ports.items():
            with self.subTest(program=name):
                seen = [status_of(ask(port, self.post(json_type, b"{}", closed[name], token)))
                        for token in ("x", good[1:], good + "x", good.upper(), "0" * 64) * 5]
                self.assertEqual([401] * 20 + [429] * 5, seen)
                self.assertNotIn(status_of(ask(port, self.post(json_type, b"{}", closed[name]))), (401, 429),
                                 "who has a token is served")
        for log in (self.loop.daemon_log(), (self.loop.folder / "node.log").read_text()):
            self.assertIn("many requests without a valid token", log)

    def test_slow_senders_and_deaf_readers_hold_nobody_up(self):
        """500 clients send a byte every second: all are gone at the deadline of a header, 10 s, and others are
        answered all the while. One asks for large answers and reads none of them."""
        port = self.ports["rekindled"]
        slow = [connect(port) for _ in range(SLOW_CLIENTS)]
        begun = time.monotonic()
        for client in slow:
            client.sendall(b"G")
            client.setblocking(False)  # with a time limit of its own each look would wait for it
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        json_type = b"Content-Type: application/json\r\nContent-Length: 2\r\n"
        threading.Thread(target=lambda: deaf.sendall(self.post(json_type, b"{}") * 2_000), daemon=True).start()
        honest, slowest, answered = GET + HOST + b"Connection: close\r\n\r\n", 0.0, 0
        head = b"ET /health HTTP/1.1\r\n"
        turn, gone = 0, 0
        while gone < SLOW_CLIENTS:
            self.assertLess(time.monotonic() - begun, 25, "slow clients are still there")
            started = time.monotonic()
            self.assertEqual(200, status_of(ask(port, honest)))
            slowest, answered = max(slowest, time.monotonic() - started), answered + 1
            if time.monotonic() - begun > turn:
                turn += 1
                for client in slow:
                    try:
                        client.send(head[turn % len(head):][:1])
                    except OSError:
                        pass
            gone = sum(closed(client) for client in slow)
            time.sleep(0.05)
        took = time.monotonic() - begun
        self.assertGreater(took, 9, "they had the time that they are given")
        self.assertGreater(answered, 20)
        self.assertLess(slowest, 2.0, "nobody waited for them")
        for client in [*slow, deaf]:
            client.close()


def closed(client):
    """Whether the server has ended this connection."""
    try:
        return client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


# Secrets as they stand in the environment of somebody who starts a daemon.
CANARY_NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "DOCKER_AUTH_CONFIG", "GITHUB_TOKEN",
                "GITLAB_TOKEN", "GOOGLE_API_KEY", "HF_TOKEN", "KUBE_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MYSQL_PWD",
                "NPM_TOKEN", "PGPASSWORD", "SLURM_JWT", "VAULT_TOKEN", "WANDB_API_KEY")
SPEC = """
rekindle: 1
name: late
data:
  initial: flights@2013-01
  time: sched_dep
  label: {column: late, matures: 1d}
  numeric: [distance]
train:
  model: linear
  ranks: {count: 2}
"""


class Gangs(LoopTest):
    """Rows G66 and 29 (no secret reaches logs, answers, audit, argv, scripts, checkpoints), on a run of two ranks."""

    def test_a_run_listens_on_loopback_alone_and_tells_no_secret(self):
        loop = self.loop
        canaries = {name: "canary" + os.urandom(12).hex() for name in CANARY_NAMES}
        os.environ.update(canaries)
        self.addCleanup(lambda: [os.environ.pop(name) for name in CANARY_NAMES])
        loop.state.mkdir(mode=0o700)
        loop.run("token", "add", "alice", "--role", "submitter", "--out", loop.folder / "alice.token")
        loop.run("token", "add", "ada", "--role", "admin", "--out", loop.folder / "ada.token")
        loop.start_daemon()
        keepers = [loop.state / "token", loop.state / "serving-token", loop.folder / "alice.token",
                   loop.folder / "ada.token"]
        canaries.update({str(path): path.read_text().strip() for path in keepers})
        self.assertEqual(20, len(canaries))
        guessed = "rekindle_" + os.urandom(32).hex()
        ask(loop.port(), b"POST " + STATUS.encode() + b" HTTP/1.1\r\n" + HOST +
            f"Authorization: Bearer {guessed}\r\nConnection: close\r\n\r\n".encode())
        loop.import_flights()
        spec = loop.folder / "late.yaml"
        spec.write_text(SPEC)
        by_alice = ["--server", f"http://127.0.0.1:{loop.port()}", "--token-file", loop.folder / "alice.token"]
        loop.run(*by_alice, "apply", spec)
        waiting = loop.start(*by_alice, "run", "late", "--wait")
        listening, lines, environments, gang_seen = set(), set(), set(), False
        while waiting.poll() is None:
            below = [pid for pid, line in processes_below(loop.state / "runs")]
            gang_seen = gang_seen or len(below) >= 3
            listening |= listeners_of(below)
            for pid in below:
                try:
                    lines.add(open(f"/proc/{pid}/cmdline", "rb").read())
                    environments.add(open(f"/proc/{pid}/environ", "rb").read())
                except OSError:
                    pass
        self.assertEqual(0, waiting.returncode, waiting.stdout.read())
        waiting.stdout.close()
        self.assertTrue(gang_seen, "mpirun and its ranks were seen")
        beyond = {address for address, _ in listening if address not in ("0100007F", "0" * 24 + "01000000")}
        self.assertEqual(set(), beyond, "a local gang listens on loopback alone")
        self.assertTrue(listening, "mpirun does listen")

        run = loop.json("get", "late-1")
        self.assertEqual("alice", run["submittedBy"])
        told = [line.encode() for line in (loop.daemon_log(), json.dumps(run))]
        for verb in (["list"], ["describe", "late-1"], ["describe", "late"], ["logs", "late-1"], ["why", "late", 1],
                     ["status"], ["doctor"], ["pools"], ["audit", "show"], ["token", "list"]):
            told.append(loop.run(*verb, check=False).stdout.encode())
        token = keepers[1].read_text().strip()
        told.append(ask(loop.port(), b"GET /metrics HTTP/1.1\r\n" + HOST +
                        f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()))
        files = [path for path in loop.folder.rglob("*") if path.is_file() and path not in keepers]
        self.assertTrue([path for path in files if path.name == "journal.db"])
        self.assertTrue([path for path in files if path.suffix == ".safetensors" or "blobs" in path.parts])
        told += [path.read_bytes() for path in files] + list(lines) + list(environments)
        for name, canary in [*canaries.items(), ("guessed", guessed)]:
            found = [what[:200] for what in told if canary.encode() in what]
            self.assertEqual([], found, f"{name} was told")


if __name__ == "__main__":
    unittest.main()

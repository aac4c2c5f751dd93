"""A coordinator as a service: it runs as an account of its own, without privileges, and submits each run to a Slurm
that the test starts with the token of whoever asked for it. Two users, made for the test. Skipped, with the reason,
where there is no such Slurm or the test may not make users."""

import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from harness import BIN, LoopTest, ROOT, wait_for

sys.path.insert(0, str(ROOT / "tests/slurm"))
import cluster as slurm  # noqa: E402

POOLS = """rekindle: 1
pools:
  - name: cluster
    slurm: {{config: {config}, poll: 200ms, submit_as: owner}}
"""
GROUP = f"rkt{os.getpid()}"
USERS = {name: f"{GROUP}{name[0]}" for name in ("service", "anna", "bert")}


def as_user(name, umask="022"):
    """What runs a program as one of them, with the group that they have in common."""
    entry = pwd.getpwnam(USERS[name])
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", "/bin/sh", "-c",
            f'umask {umask}; exec "$@"', "sh"]


def tell(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr}")


class SlurmService(LoopTest):
    @classmethod
    def setUpClass(cls):
        if why := slurm.missing_jwt():
            raise unittest.SkipTest(why)
        for program in ("useradd", "groupadd", "setpriv"):
            if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                raise unittest.SkipTest(f"no {program}: the test makes users of its own")
        cls.addClassCleanup(cls.remove_users)
        tell("groupadd", GROUP)
        for user in USERS.values():
            tell("useradd", "--no-create-home", "--user-group", "--groups", GROUP, "--shell", "/bin/sh", user)
        cls.folder = tempfile.mkdtemp(prefix="rekindle-slurm-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.cluster = slurm.Cluster(cls.folder, jwt=True)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    @classmethod
    def remove_users(cls):
        for user in USERS.values():
            subprocess.run(["userdel", user], capture_output=True)
        subprocess.run(["groupdel", GROUP], capture_output=True)

    def setUp(self):
        super().setUp()
        self.before = {number for number, _ in self.cluster.jobs()}
        self.shared = self.loop.folder / "shared"
        service = pwd.getpwnam(USERS["service"])
        self.loop.folder.chmod(0o755)
        for folder, mode in ((self.loop.state, 0o700), (self.shared, 0o2770), (self.loop.folder / "tokens", 0o700)):
            folder.mkdir()
            os.chown(folder, service.pw_uid, grp.getgrnam(GROUP).gr_gid)
            folder.chmod(mode)
        self.loop.prefix = as_user("service", "007")
        (self.loop.state / "pools.yaml").write_text(POOLS.format(config=self.cluster.config))
        trainer = os.environ.get("REKINDLE_TRAINER")
        self.loop.start_daemon("--allow-faults", "--shared", str(self.shared),
                               *(["--trainer-program", trainer] if trainer else []))
        self.loop.import_flights()
        for who in ("anna", "bert"):
            self.loop.run("token", "add", who, "--role", "submitter", "--out", self.loop.folder / "tokens" / who)
        wait_for("the tokens to be read", lambda: self.verb("bert", "status", check=False).returncode == 0)

    # --- as a user of the service
    def verb(self, who, *words, check=True, **options):
        return self.loop.run("--token-file", self.loop.folder / "tokens" / who, *words, check=check, **options)

    def set_credential(self, who, seconds=3600, check=True, token=None):
        token = token or self.cluster.token(USERS[who], seconds)
        return self.verb(who, "credential", "set", "--pool", "cluster", input=token + "\n", check=check)

    def begin(self, who, epochs=6, ranks=2):
        text = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text().replace("name: flight-delay", f"name: of-{who}")
        text = text.replace("ranks: {count: 2}", f"ranks: {{count: {ranks}}}").replace("epochs: 6", f"epochs: {epochs}")
        spec = self.loop.folder / f"{who}.yaml"
        spec.write_text(text.replace("  stop:", "  checkpoints: {every: 1s}\n  stop:") + "pool: cluster\n")
        spec.chmod(0o644)
        self.verb(who, "apply", spec)
        return self.loop.json("--token-file", self.loop.folder / "tokens" / who, "run", f"of-{who}")["id"]

    def get(self, run):
        return self.loop.json("get", run)

    def ended(self, run, seconds=240):
        self.loop.run("wait", run, "--timeout", f"{seconds}s", check=False)
        return self.get(run)

    def jobs(self):
        """(user, comment) of this test's."""
        lines = self.cluster.tell("squeue", "--noheader", "--states=all", "--format=%i|%u|%k").splitlines()
        rows = [line.split("|", 2) for line in lines]
        return [(user, comment) for number, user, comment in rows if int(number) not in self.before]

    def step(self, run):
        return int((self.loop.json("describe", run).get("progress") or {}).get("step", 0))

    def check_no_token_anywhere(self, tokens):
        """In no file but the one that keeps them, and in no process that is not a command of Slurm's."""
        kept = self.loop.state / "credentials.pb"
        self.assertEqual(0o600, kept.stat().st_mode & 0o777)
        for folder in (self.loop.folder, Path(self.folder)):
            # Unlike rglob, a walk goes on where slurmd takes a folder away beneath it.
            for path in (Path(at) / name for at, _, names in os.walk(folder) for name in names):
                # slurmctld keeps the environment of a job until it is over, where root alone reads it.
                if not path.is_file() or path == kept or path.is_relative_to(Path(self.folder) / "state"):
                    continue
                try:
                    text = path.read_bytes()
                except FileNotFoundError:  # gone since it was listed
                    continue
                for token in tokens:
                    self.assertNotIn(token.encode(), text, path)
        for entry in Path("/proc").iterdir():
            for name in ("cmdline", "environ"):
                try:
                    text = (entry / name).read_bytes()
                    command = (entry / "comm").read_text().strip()
                except OSError:
                    continue
                if name == "environ" and command in ("squeue", "sbatch", "scancel", "scontrol", "sacct"):
                    continue
                for token in tokens:
                    self.assertNotIn(token.encode(), text, f"{name} of {command}")

    # --- what is promised
    def test_every_run_is_its_owners(self):
        tokens = {who: self.cluster.token(USERS[who]) for who in ("anna", "bert")}
        for who, token in tokens.items():
            said = self.set_credential(who, token=token)
            self.assertIn(f"are launched as user '{USERS[who]}'", said.stdout)
        bare = [token.removeprefix("SLURM_JWT=") for token in tokens.values()]
        runs = {}
        for who in ("anna", "bert"):  # each caught while its ranks live: on a busy host one may end before the other begins
            runs[who] = self.begin(who, epochs=60)
            wait_for(f"{who}'s to train", lambda run=runs[who]: self.step(run) > 0, 120)
            self.check_no_token_anywhere(bare)
        for who, run in runs.items():
            with self.subTest(who=who):
                ended = self.ended(run)
                self.assertEqual("PUBLISHED", ended["state"], ended.get("reason"))
                user = pwd.getpwnam(USERS[who])
                self.assertIn((USERS[who], self.comment_of(run)), [(u, c.rsplit(":", 1)[0]) for u, c in self.jobs()])
                attempt = self.shared / "runs" / run / "1"
                for name in ("gang.pb", "outcome.pb", "exit.pb", "report-0.log"):
                    self.assertEqual(user.pw_uid, (attempt / name).stat().st_uid, name)
                self.assertEqual(pwd.getpwnam(USERS["service"]).pw_uid, (attempt / "plan.pb").stat().st_uid)
                other = "bert" if who == "anna" else "anna"
                for path in (attempt.parent, attempt, attempt / "plan.pb", attempt / "log-0.txt"):
                    self.assertEqual(0, self.reads(who, path), path)
                    self.assertNotEqual(0, self.reads(other, path), path)
        self.assertEqual({USERS["anna"], USERS["bert"]}, {user for user, _ in self.jobs()})
        listed = self.loop.json("credential", "list")["credentials"]
        self.assertEqual(["anna", "bert"], [one["owner"] for one in listed])
        mine = self.verb("anna", "credential", "list").stdout
        self.assertIn(USERS["anna"], mine)
        self.assertNotIn(USERS["bert"], mine)
        self.assertNotEqual(0, self.verb("anna", "credential", "revoke", "--pool", "cluster", "--owner", "bert",
                                         check=False).returncode)

    def comment_of(self, run):
        return f"rekindle:{run}/1"

    def reads(self, who, path):
        return subprocess.run([*as_user(who), "/bin/sh", "-c", 'ls "$1" && { test -d "$1" || cat "$1"; }', "sh", path],
                              capture_output=True).returncode

    def test_without_a_credential_it_waits_and_nobody_else_is_asked(self):
        run = self.begin("anna", epochs=2000)

        def why(word):
            return word in self.loop.run("why-not", run).stdout
        wait_for("the reason", lambda: why("'anna' has stored none for pool cluster"), 10)
        # Others' and forged ones are no help.
        self.set_credential("bert")
        forged = self.cluster.token(USERS["anna"])[:-6] + "AAAAAA"
        refused = self.set_credential("anna", token=forged, check=False)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("Slurm does not take this token", refused.stderr)
        self.assertNotIn(forged, refused.stderr + refused.stdout)
        self.set_credential("anna", seconds=12)
        wait_for("its start", lambda: self.step(run) > 0, 60)
        self.verb("anna", "cancel", run)
        self.assertEqual("CANCELLED", self.ended(run, 60)["state"])
        self.assertEqual({USERS["anna"]}, {user for user, _ in self.jobs()})
        time.sleep(max(0, 12 - (time.time() - self.stored_at())))
        run = self.begin("anna")
        wait_for("the reason", lambda: why("expired at"), 10)
        count = len(self.jobs())
        self.set_credential("anna")
        wait_for("its job", lambda: len(self.jobs()) > count, 30)
        self.assertEqual("PUBLISHED", self.ended(run)["state"])
        self.verb("anna", "credential", "revoke", "--pool", "cluster")
        run = self.begin("anna")
        wait_for("the reason", lambda: why("has stored none"), 10)
        self.verb("anna", "cancel", run)
        self.assertEqual("CANCELLED", self.ended(run, 60)["state"])

    def stored_at(self):
        return int(self.loop.json("credential", "list")["credentials"][0]["storedUs"]) / 1e6


if __name__ == "__main__":
    unittest.main()

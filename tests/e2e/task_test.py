"""Plain tasks: commands without data, singly and as arrays, through kills of the coordinator."""

import unittest

from harness import LoopTest, processes_below, wait_for

TASK = """rekindle: 1
name: {name}
train:
  command: [/bin/sh, -c, '{script}']
  limits: {{crash_retries: {retries}}}
"""


def apply(loop, name, script, retries=0):
    spec = loop.folder / f"{name}.yaml"
    spec.write_text(TASK.format(name=name, script=script, retries=retries))
    return loop.run("apply", spec)


class Tasks(LoopTest):
    def test_a_task_completes_fails_and_says_why(self):
        loop = self.loop
        loop.start_daemon()
        apply(loop, "hello", "echo hello from $REKINDLE_RUN; env")
        done = loop.json("run", "hello", "--wait")
        self.assertEqual(("COMPLETED", "done"), (done["state"], done["reason"]))
        self.assertEqual(1, len(done["attempts"]))
        log = loop.run("logs", "hello-1").stdout
        self.assertIn("hello from hello-1", log)
        self.assertNotIn("REKINDLE_TRAIN", log)
        self.assertIn("completed", loop.run("describe", "hello-1").stdout)
        plan = loop.run("plan", loop.folder / "hello.yaml", "--resolved").stdout
        self.assertIn("a command without data", plan)
        self.assertNotIn("gate.", plan)

        apply(loop, "broken", "echo no such table >&2; exit 3", retries=1)
        failed = loop.run("run", "broken", "--wait", check=False)
        self.assertEqual(11, failed.returncode, failed.stdout + failed.stderr)
        run = loop.json("get", "broken-1")
        self.assertEqual(2, len(run["attempts"]))
        self.assertIn("rank 0 left with 3: no such table", run["reason"])

        refused = loop.folder / "refused.yaml"
        refused.write_text((loop.folder / "hello.yaml").read_text() + "serve: {canary: 5%}\n")
        answer = loop.run("apply", refused, check=False)
        self.assertEqual(2, answer.returncode)
        self.assertIn("takes versions", answer.stderr)

    def test_a_task_is_adopted_by_a_coordinator_that_comes_back(self):
        loop = self.loop
        loop.open_files()
        loop.start_daemon()
        go = loop.folder / "go"
        apply(loop, "waits", f"while [ ! -e {go} ]; do sleep 0.05; done; echo went on")
        loop.run("run", "waits")
        wait_for("the task to run", lambda: loop.json("get", "waits-1")["attempts"][-1:][0]["state"] == "STARTED")
        loop.kill_daemon()
        self.assertTrue(processes_below(loop.state / "runs" / "waits-1"), "it goes on without the coordinator")
        loop.start_daemon()
        go.write_text("")
        done = loop.json("wait", "waits-1")
        self.assertEqual("COMPLETED", done["state"])
        self.assertEqual(1, len(done["attempts"]), "adopted, not replaced")

    def test_an_array_is_accepted_once_and_each_of_it_runs_once(self):
        loop = self.loop
        loop.open_files()
        loop.start_daemon()
        marks = loop.folder / "marks"
        marks.mkdir()
        apply(loop, "many", f"echo $REKINDLE_RUN $REKINDLE_COUNT >>{marks}/$REKINDLE_INDEX")
        first = loop.json("run", "many", "--count", 40, "--key", "k")["runs"]
        self.assertEqual([f"many-{i}" for i in range(1, 41)], first)
        wait_for("the first of them", lambda: len(list(marks.iterdir())) >= 5)
        loop.kill_daemon()
        loop.start_daemon()
        self.assertEqual(first, loop.json("run", "many", "--count", 40, "--key", "k")["runs"])
        other = loop.run("run", "many", "--count", 41, "--key", "k", check=False)
        self.assertEqual(4, other.returncode, other.stdout)
        waited = loop.run("run", "many", "--count", 40, "--key", "k", "--wait", timeout=120)
        self.assertIn("40 runs: 40 completed", waited.stdout)
        self.assertEqual({str(i) for i in range(1, 41)}, {mark.name for mark in marks.iterdir()})
        for mark in marks.iterdir():
            self.assertEqual(f"many-{mark.name} 40\n", mark.read_text(), "once")
        self.assertEqual(2, loop.run("run", "many", "--count", 10001, check=False).returncode)


if __name__ == "__main__":
    unittest.main()

"""Built programs work elsewhere: installed under another path, with the wheels under yet another, they need nothing
of the place where they were built but what the linker's own paths give."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness

BUILD = harness.BIN.parent
WHEELS = ["torch", "nvidia", "pyarrow"]


class Relocated(harness.LoopTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="rekindle-elsewhere-"))
        cls.prefix = cls.folder / "opt" / "rekindle"
        cls.wheels = cls.folder / "venv" / "site-packages"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, capture_output=True)
        cls.wheels.mkdir(parents=True)
        for wheel in WHEELS:
            (cls.wheels / wheel).symlink_to((BUILD / "lib" / "site-packages" / wheel).resolve())
        (cls.prefix / "lib" / "site-packages").symlink_to(cls.wheels)
        cls.built_in, harness.BIN = harness.BIN, cls.prefix / "bin"

    @classmethod
    def tearDownClass(cls):
        harness.BIN = cls.built_in
        shutil.rmtree(cls.folder, ignore_errors=True)

    def objects(self):
        return [*sorted((self.prefix / "bin").iterdir()), self.prefix / "lib" / "librekindle_gpu.so"]

    def test_nothing_looks_where_it_was_built(self):
        self.assertIn("rekindle-trainer", [path.name for path in self.objects()])
        for path in self.objects():
            dynamic = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
            for paths in re.findall(r"R(?:UN)?PATH\).*\[(.*)\]", dynamic):
                for folder in paths.split(":"):
                    self.assertTrue(folder.startswith("$ORIGIN/"), f"{path.name} looks in {folder}")

    def test_the_wheels_are_those_of_the_new_place(self):
        for path in sorted((self.prefix / "bin").iterdir()):
            found = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
            self.assertNotIn("not found", found, path.name)
            self.assertNotIn(str(BUILD), found, path.name)
            for line in found.splitlines():
                if re.search(r"lib(torch|c10|arrow|parquet|cudart)", line):
                    self.assertIn(str(self.prefix), line, path.name)
        trainer = subprocess.run([self.prefix / "bin" / "rekindle-trainer", "--help"], capture_output=True, text=True,
                                 env={"PATH": os.environ["PATH"]})
        self.assertEqual(0, trainer.returncode, trainer.stderr)

    def test_without_the_link_the_missing_library_is_named(self):
        bare = self.folder / "bare" / "bin"
        bare.mkdir(parents=True)
        shutil.copy(self.prefix / "bin" / "rekindle-trainer", bare)
        trainer = subprocess.run([bare / "rekindle-trainer", "--help"], capture_output=True, text=True)
        self.assertEqual(127, trainer.returncode)
        self.assertRegex(trainer.stderr, r"lib(torch_cpu|c10|arrow)")

    def test_a_job_trains_there(self):
        self.loop.start_daemon()
        self.loop.import_flights()
        spec = self.loop.folder / "elsewhere.yaml"
        text = (harness.ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()
        spec.write_text(re.sub(r"ranks:.*", "ranks: {count: 1}", text))
        self.loop.run("apply", spec)
        run = self.loop.json("run", "flight-delay")["id"]
        self.loop.run("wait", run, "--timeout", "240s", timeout=260)
        self.assertEqual("PUBLISHED", self.loop.json("get", run)["state"])


if __name__ == "__main__":
    unittest.main()

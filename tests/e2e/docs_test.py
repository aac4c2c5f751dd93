"""What the pages show is true: specs are accepted, verbs exist, the README's first steps work as written."""

import re
import shlex
import subprocess
import unittest

from harness import BIN, DATA, LoopTest, ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/models").glob("*.md"))]


def blocks(page, language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.S | re.M)
    return [text for of, text in fenced if of == language]


def verbs_in(text):
    """`rekindle VERB` as code; not rekindled, rekindle-serve or rekindle.v1."""
    return set(re.findall(r"[`\n ]rekindle (?:--?[a-z]+ \S+ )*([a-z]+)\b", text))


class Pages(LoopTest):
    def test_every_spec_in_the_pages_is_accepted(self):
        shown = [(page, text) for page in PAGES for text in blocks(page, "yaml") if text.startswith("rekindle: 1")]
        self.assertTrue(shown)
        for page, text in shown:
            spec = self.loop.folder / "shown.yaml"
            spec.write_text(text)
            done = self.loop.run("validate", spec, check=False)
            self.assertEqual(0, done.returncode, f"{page}: {done.stderr}")

    def test_every_verb_in_the_pages_exists(self):
        known = set(re.findall(r"^  ([a-z]+) ", self.loop.run("--help").stdout, re.M))
        for page in PAGES:
            code = "\n".join(re.findall(r"`[^`\n]+`", page.read_text()) + blocks(page, ""))
            for verb in verbs_in(code):
                self.assertIn(verb, known, f"{page} speaks of `rekindle {verb}`")

    def test_every_page_that_is_linked_exists(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page} links to {link}")

    def test_the_first_steps_of_the_readme(self):
        steps = [line.split("#")[0].strip() for line in blocks(ROOT / "README.md", "")[-1].splitlines()]
        steps = [line for line in steps if line.startswith("rekindle ")]
        self.assertGreaterEqual(len(steps), 5)
        try:
            for line in steps:
                words = [w.replace("build/data", str(DATA)) for w in shlex.split(line)[1:]]
                done = subprocess.run([BIN / "rekindle", "--state", self.loop.state, *words], cwd=ROOT,
                                      capture_output=True, text=True, timeout=120)
                self.assertEqual(0, done.returncode, f"{line}\n{done.stdout}{done.stderr}")
        finally:
            self.loop.run("down", check=False)

    def test_both_daemons_have_metrics(self):
        loop = self.loop
        loop.start_daemon()
        loop.start_node("flight-delay")
        for url, name in ((f"http://127.0.0.1:{loop.port()}", "rekindle"), (loop.url, "rekindle")):
            token = (loop.state / "serving-token").read_text().strip()
            text = subprocess.run(["curl", "-s", "-H", f"Authorization: Bearer {token}", f"{url}/metrics"],
                                  capture_output=True, text=True).stdout
            self.assertRegex(text, rf"(?m)^# TYPE {name}\w+ (counter|gauge|histogram)")


if __name__ == "__main__":
    unittest.main()

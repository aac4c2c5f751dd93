"""Where a process is told to die, and in which story that is tried. A name stands in base/faults/crash_point.h, at one place
in the sources, and in one list here; ./dev check compares the three."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The coordinator, from its start through the life of a run; by the order in which one run comes to them.
LIFE = [
    "daemon-locked", "daemon-loaded", "daemon-listening", "daemon-ready",
    "audit-asked", "core-decided", "journal-committing", "journal-inserted", "journal-committed", "core-durable",
    "submission-durable", "audit-answered", "placement-decided", "core-effects", "attempt-starting",
    "attempt-planned", "local-starting", "attempt-launched", "attempt-adopted", "attempt-ended",
    "artifacts-verified", "publication-decided", "rollout-decided", "node-reported",
]
# While it is asked to stop.
STOP = ["daemon-stopping", "journal-snapshot-saving", "journal-snapshot-saved"]
# While a run is cancelled.
CANCEL = ["attempt-signalled"]
# While a node's requests and labels come in, and days of them are settled and judged.
EVENTS = ["events-appending", "events-appended", "day-stored", "day-settled", "window-judged"]
# While its state folder is backed up; and a restore of that.
BACKUP = ["backup-begun", "backup-copied", "backup-listed"]
RESTORE = ["restore-begun", "restore-copied", "restore-recorded", "restore-ended"]
# Behind a Slurm that is none (tests/slurm/fake.py).
SLURM = ["slurm-recorded", "slurm-answered", "slurm-numbered"]
# The supervisor of two ranks. The first two die before they have said that they live: the coordinator gives them up
# after half a minute.
GANG = ["gang-recorded", "gang-scratch-made", "gang-ranks-started", "gang-ranks-ended", "gang-ranks-swept",
        "gang-exit-written"]
GANG_UNSEEN = ["gang-locked"]
# What mpirun starts, before it is a rank.
RANK = ["rank-starting"]
TRAINER = ["checkpoint-written", "checkpoint-renamed", "checkpoint-synced", "blob-written", "blob-synced",
           "blob-renamed", "manifest-storing", "version-stored", "file-synced", "file-renamed", "outcome-written"]
# A serving node, from its start over the change to another version to the label of a request.
NODE = ["node-locked", "node-restored", "node-listening", "version-fetching", "version-fetched", "version-copied",
        "version-warming", "plan-swapping", "plan-swapped", "plan-keeping", "plan-kept"]
NODE_SPOOL = ["spool-appended", "spool-synced", "batch-sent"]

STORIES = [LIFE, STOP, CANCEL, EVENTS, BACKUP, RESTORE, SLURM, GANG, GANG_UNSEEN, RANK, TRAINER, NODE, NODE_SPOOL]


def problems(header, sources, stories):
    """What is wrong with the three: texts of the header and of the sources, and lists of names."""
    listed = re.findall(r'^ {4}"([a-z-]+)",$', header, re.M)
    placed = [name for text in sources for name in re.findall(r'\bcrash_point\("([a-z-]+)"\)', text)]
    tried = [name for story in stories for name in story]
    for name in sorted(set(listed + placed + tried)):
        counts = [found.count(name) for found in (listed, placed, tried)]
        if counts != [1, 1, 1]:
            yield (f"crash point {name}: {counts[0]} times in base/faults/crash_point.h, {counts[1]} in the sources, "
                   f"{counts[2]} in the stories of tests/kills/points.py: each wants one")


def project_problems():
    sources = [path.read_text() for path in ROOT.glob("*/**/*.cc")
               if path.relative_to(ROOT).parts[0] not in ("build", "tests")]
    return list(problems((ROOT / "base/faults/crash_point.h").read_text(), sources, STORIES))


def self_test():
    header, source = '    "a-b",\n    "c-d",\n', 'x; crash_point("a-b"); crash_point("c-d");'
    bites = [(source, [["a-b"], ["c-d"]], 0), (source, [["a-b"]], 1), (source, [["a-b", "a-b"], ["c-d"]], 1),
             (source * 2, [["a-b", "c-d"]], 2), ('crash_point("a-b")', [["a-b", "c-d"]], 1),
             (source, [["a-b", "c-d", "e-f"]], 1)]
    return [f"rule {i}: wanted {count} problems" for i, (text, stories, count) in enumerate(bites)
            if len(list(problems(header, [text], stories))) != count]


if __name__ == "__main__":
    found = self_test() if "--self-test" in sys.argv else project_problems()
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)

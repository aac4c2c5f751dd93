"""`./dev bench journal`: a coordinator's journal of 1,000,000 events: how long a restart reads it, beside the time to
read the file, and what its snapshots and archives cost while it grew."""

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import measure
from scheduler import against_goal

EVENTS = 1_000_000
RESTART_S_GOAL = 5
PAUSE_MS_GOAL = 20  # of the core's thread, by a snapshot
COMMIT_MS_GOAL = 200


def run(options):
    program = Path(options.build) / "tests" / "journal_bench"
    with tempfile.TemporaryDirectory(prefix="rekindle-journal-", dir=options.build) as folder:
        rounds = [json.loads(subprocess.run([program, str(EVENTS), folder], check=True, capture_output=True, text=True).stdout)
                  for _ in range(min(options.pairs, 3))]
    grown = rounds[0]
    read = measure.significant(statistics.median(r["read_s"] for r in rounds))
    restart = against_goal(
        "restart", "s", [r["restart_s"] for r in rounds], RESTART_S_GOAL, True,
        "{events} events, of which {replayed} are replayed after the snapshot; {runs} runs in memory, the journal {journal_bytes} "
        "bytes, archives {archive_bytes}; {restart_cpu_s} s of a core; limit: reading the "
        "journal takes {read} s".format(**grown, read=read))
    return [restart,
            against_goal("snapshot, pause of the core's thread", "ms", [grown["snapshot_ms_most"]], PAUSE_MS_GOAL, True,
                         "the longest; {snapshot_cpu_ms_most} ms of a core; {snapshot_us_per_event} us spread over each event".format(**grown)),
            against_goal("commit of 100 events", "ms", [grown["commit_ms_most"]], COMMIT_MS_GOAL, True,
                         "the longest, with its sync and the piece of archiving that went along")]

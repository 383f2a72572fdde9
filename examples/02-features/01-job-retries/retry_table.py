"""Waits for jobs, and prints what happened beside what was expected."""

import sys

from naq import JobExecutionError

# Real delays are seconds; these programs do not make you wait for them.
SCALE = 0.05


def check(expectations):
    """Each row: a name, a job, the state, the number of attempts, and the delays in seconds before SCALE.

    Exits with 1 if one differs.
    """
    print(f"{'':6}{'job':34}{'state':12}{'attempts':>8}  delays")
    wrong = 0
    for name, job, state, attempts, delays in expectations:
        try:
            job.result_sync(timeout=60)
        except JobExecutionError:
            pass
        history = job.history_sync()
        ran = [entry for entry in history if entry["outcome"] != "snoozed"]
        waits = [entry["delay_ms"] for entry in history if entry.get("decision") == "retry"]
        found = (job.state_sync(), len(ran), waits)
        expected = (state, attempts, [round(delay * SCALE * 1000) for delay in delays])
        is_right = found == expected
        wrong += not is_right
        shown = " ".join(f"{wait / 1000 / SCALE:g}s" for wait in waits)
        print(f"{'ok' if is_right else 'WRONG':6}{name:34}{found[0]:12}{found[1]:>8}  {shown}")
        if not is_right:
            print(f"      expected {expected}, found {found}")
    print(f"{len(expectations) - wrong} of {len(expectations)} as expected; delays as if 1 s were {SCALE} s")
    sys.exit(1 if wrong else 0)

"""Stays, and runs one job a line. `--describe` lists its tasks."""

import json
import sys


def say(**answer):
    print(json.dumps(answer), flush=True)


def total(numbers):
    result = 0
    for done, number in enumerate(numbers, 1):
        result += number
        say(progress={"done": done, "total": len(numbers)})
    return result


TASKS = {"sum": total, "mean": lambda numbers: total(numbers) / len(numbers)}

if sys.argv[1:] == ["--describe"]:
    say(v=1, tasks=list(TASKS))
    sys.exit()

for line in sys.stdin:
    job = json.loads(line)
    try:
        say(result=TASKS[job["task"]](job["args"]))
    except (TypeError, ZeroDivisionError) as err:
        # Another attempt would get the same arguments.
        say(error={"kind": f"ValueError.{type(err).__name__}", "message": str(err), "then": "never"})

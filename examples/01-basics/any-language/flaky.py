"""One attempt: fails `args["fail"]` times, then succeeds."""

import json
import sys

job = json.load(sys.stdin)
if job["attempt"] <= job["args"]["fail"]:
    error = {"kind": "ConnectionError.refused", "message": "the service is down"}
    print(json.dumps({"error": error}))
else:
    print(json.dumps({"result": f"done in attempt {job['attempt']}"}))

"""``python -m naq serve MODULE...``: runs the tasks that the modules mark with ``@naq.task``."""

import argparse
import importlib
import os
import sys

from . import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m naq", description="Run handlers in Python.")
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "serve",
        help="run the tasks of modules under a worker",
        epilog="naq worker --exec-pool 'python3 -m naq serve tasks'   runs them from a worker",
    )
    command.add_argument("modules", nargs="+", metavar="MODULE")
    command.add_argument("--http", metavar="[HOST:]PORT", help="listen there, for naq worker --http")
    command.add_argument("--concurrency", type=int, metavar="N", help="how many attempts run at once")
    command.add_argument("--describe", action="store_true", help="list the tasks, for a worker")
    args = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    for module in args.modules:
        importlib.import_module(module)
    serve(http=args.http, concurrency=args.concurrency, keys=os.environ.get("NAQ_HANDLER_KEYS") or None)


if __name__ == "__main__":
    main()

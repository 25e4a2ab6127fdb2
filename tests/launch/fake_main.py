"""Pretends to be main.py: takes the lock, keeps the records, and then does what $FAKE says for its seed.

$FAKE is e.g. "1=crash,3=wait"; a seed that is not named finishes.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.history import History
from core.options import read_arguments
from core.run_state import OVER, is_to_end
from core.store import Run
from tasks.options import resolve

options = resolve(read_arguments(sys.argv[1:]))
behaviour = dict(item.split("=") for item in os.environ.get("FAKE", "").split(",") if item).get(str(options.seed))

if behaviour == "crash":
    print("a first line")
    raise ValueError("the disk is made of cheese")

run = Run.create(options)
with run.locked() as mine:
    if not mine or behaviour == "busy":
        sys.exit(76)
    if run.state in OVER or is_to_end(run.folder):  # another pool was quicker
        sys.exit(0)
    seen = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "CUDA_DEVICE_ORDER")}
    with open(run.path("starts.jsonl"), "a") as file:
        file.write(json.dumps(seen | {"pid": os.getpid()}) + "\n")
    if behaviour == "record":
        run.write_status("failed", error="it said so itself")
        sys.exit(1)
    if behaviour == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "litter":
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        run.path("left").write_text(str(left.pid))
    if behaviour == "nothing":
        sys.exit(0)
    if behaviour and behaviour.startswith("measure"):  # measure:8:3: 8 times 3, a row each, then wait for a signal
        _, rows, value = behaviour.split(":")
        stopped = []
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
        history = History(run.path("history.jsonl"))
        run.write_status("running", stage="control", step=1, steps=100)
        for step in range(int(rows)):
            history.append({"step": 10 * (step + 1), "stage": "control", "control/valid/accuracy/total": float(value)})
        end = time.monotonic() + 1.5  # longer than the pool takes to look
        while time.monotonic() < end and not stopped:
            time.sleep(0.02)
        early = is_to_end(run.folder)
        run.write_status("ended early" if early else "stopped" if stopped else "done")
        sys.exit(75 if stopped and not early else 0)
    if behaviour in ("wait", "deaf"):
        stopped = []
        for number in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, lambda *_: stopped.append(1))
        run.write_status("running", stage="control", step=43, steps=100)
        end = time.monotonic() + 60  # a failed test leaves nothing behind
        while time.monotonic() < end and (not stopped or behaviour == "deaf"):
            time.sleep(0.02)
        run.write_status("stopped")
        sys.exit(75)
    run.write_status("done")

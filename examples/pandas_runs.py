"""Many runs as one table of pandas (python examples/pandas_runs.py)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # a clone needs no installation
from main import main
from sieve import Run

own = Path(__file__).with_name("own_experiment.py")
for width in (10, 60):  # trained once; a second time they are read
    steps = ["--train.steps=100", "--mask.steps=30", "--mask.lr=0.1", "--log=none", "--run.quiet=true"]
    main([f"--task={own}", f"--width={width}", "--seed=1", *steps])

frame = Run.frame("runs", sweep="single")  # a row for each run: its options and its results, by dotted names
frame["small without its mask"] = frame["inverse/small/none/test/accuracy/small"]
columns = ["final/network/test/accuracy/total", "final/small/test/accuracy/small", "small without its mask"]
print(frame.groupby("width")[columns].mean().round(3).to_string())

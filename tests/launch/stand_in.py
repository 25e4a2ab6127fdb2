"""Slurm's programs, pretended: this file under their names, with what they know in $STAND_IN, a JSON file.

jobs: {"27": {"name", "array": [first, last], "script", "squeue": {task: [state, reason]}, "sacct": [rows]}}
fail: {program: what it complains about}; config; nodes: {address of each: partition}; calls: what was called.
"""

import json
import os
import re
import sys


def main(program: str, words: list[str]) -> int:
    """Do what a program of Slurm would, and return its exit code."""
    with open(os.environ["STAND_IN"]) as file:
        known = json.load(file)
    known["calls"].append([program, *words])
    code = act(program, words, known)
    with open(os.environ["STAND_IN"], "w") as file:
        json.dump(known, file)
    return code


def act(program, words, known):
    if complaint := known["fail"].get(program):
        print(f"{program}: error: {complaint}", file=sys.stderr)
        if program != "sbatch" or not known.get("submits_all_the_same"):
            return 1
    if program == "sbatch":
        text = open(words[-1]).read()
        said = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", text, flags=re.M))
        number = str(max(map(int, known["jobs"]), default=0) + 1)
        last = int(re.match(r"0-(\d+)%", said["array"])[1])
        tasks = {str(task): ["PENDING", "Priority"] for task in range(last + 1)}
        known["jobs"][number] = {"name": said["job-name"], "squeue": tasks, "sacct": [], "script": text}
        print(f"Submitted batch job {number}")
        return bool(known["fail"].get(program))
    names = words[words.index("--name") + 1].split(",") if "--name" in words else []
    for number, job in known["jobs"].items():
        if program == "squeue" and job["name"] in names:
            for task, (state, why) in job["squeue"].items():
                print(f"{number}|{task}|{job['name']}|{state}|{why}")
        if program == "sacct" and job["name"] in names:
            for task, state in job["sacct"]:
                print(f"{number}{task}|{job['name']}|{state}|0:0")
    if program == "scontrol" and words[0] == "show":
        print("\n".join(f"{name} = {value}" for name, value in known["config"].items()))
    if program == "sinfo":
        print("\n".join(f"{partition}|{address}" for address, partition in known["nodes"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(os.path.basename(sys.argv[0]), sys.argv[1:]))

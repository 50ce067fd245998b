"""Scores the average of several systems from what `cross_validate` wrote about the same folds, and writes a report that `results` reads.

    python results/average.py REPORT.json FOLDER FOLDER [...]

Each folder is one of `cross_validate --out`. A system that normalises per speaker has shifted probabilities there; they are averaged as they
are, and "adapted" shifts the average again, where a model file of `[[fused]]` systems shifts once. A system's seeds are averaged first, then the systems, with equal weights: the
logarithms of the probabilities. Copies of clips (`leaky-seed`) are refused. "Adapted" shifts the prior for each tested speaker as `Recognizer::adapted_to` does: by the mean of
the logarithms of that speaker's probabilities, times n / (n + 10).
"""

import csv
import json
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path


def read(folder):
    """The report, and the log-probabilities of each clip of each fold, averaged over seeds."""
    report = json.loads((Path(folder) / "report.json").read_text())
    clips, seen = defaultdict(list), set()
    with open(Path(folder) / "predictions.csv", newline="") as file:
        for row in csv.DictReader(file):
            probabilities = {name[2:]: float(value) for name, value in row.items() if name.startswith("p_")}
            clip = (row["fold"], row["path"], row["speaker"], row["truth"])
            if (clip, row["seed"]) in seen:
                sys.exit(f"{folder}: several rows of {row['path']}: copies of a clip cannot be averaged")
            seen.add((clip, row["seed"]))
            clips[clip].append(probabilities)
    def mean(seeds):
        return {name: math.log(max(statistics.fmean(p[name] for p in seeds), 1e-6)) for name in seeds[0]}
    return report, {clip: mean(seeds) for clip, seeds in clips.items()}


def adapted(clips):
    """The same with the prior of each speaker shifted."""
    speakers = defaultdict(list)
    for (fold, _, speaker, _), logs in clips.items():
        speakers[fold, speaker].append(logs)
    def shift(of_speaker):
        n = len(of_speaker)
        means = {name: statistics.fmean(logs[name] for logs in of_speaker) for name in of_speaker[0]}
        middle = statistics.fmean(means.values())
        return {name: (mean - middle) * n / (n + 10) for name, mean in means.items()}
    shifts = {key: shift(of_speaker) for key, of_speaker in speakers.items()}
    return {
        clip: {name: log - shifts[clip[0], clip[2]][name] for name, log in logs.items()} for clip, logs in clips.items()
    }


def scores(clips):
    """UAR and accuracy: mean and deviation over folds."""
    folds = defaultdict(list)
    for (fold, _, _, truth), logs in clips.items():
        folds[fold].append((truth, max(logs, key=logs.get) == truth))
    def recalls(fold):
        classes = {truth for truth, _ in fold}
        return statistics.fmean(statistics.fmean(right for truth, right in fold if truth == name) for name in classes)
    def summed(values):
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return {"mean": statistics.fmean(values), "std_over_folds": deviation, "std_over_seeds": None}
    return (
        summed([recalls(fold) for fold in folds.values()]),
        summed([statistics.fmean(right for _, right in fold) for fold in folds.values()]),
    )


def main():
    out, folders = sys.argv[1], sys.argv[2:]
    reports, systems = zip(*map(read, folders))
    first = systems[0]
    if any(system.keys() != first.keys() for system in systems):
        sys.exit("the folders hold predictions of different clips or folds")
    together = {clip: {name: statistics.fmean(s[clip][name] for s in systems) for name in first[clip]} for clip in first}
    uar, accuracy = scores(together)
    adapted_uar, adapted_accuracy = scores(adapted(together))
    parts = [part for report in reports for part in (report["config"], *report["config"].get("fused", []))]
    scopes = {part["normalizer"]["scope"] for part in parts}
    # Of several corpora, those that only train are named in the guard.
    guards = [report["guard"] for report in reports]
    result = {
        "guard": max(guards, key=lambda guard: "trained on only" in guard[0]),
        "pooled": {"class_names": sorted(next(iter(first.values())))},
        "corpora": sorted({corpus for report in reports for corpus in report["corpora"]}),
        "protocol": reports[0]["protocol"],
        "config": {"normalizer": {"scope": "speaker" if "speaker" in scopes else "training"}},
        "speakers": reports[0]["speakers"],
        "folds": reports[0]["folds"],
        "folds_of_protocol": reports[0]["folds_of_protocol"],
        "seeds": [reports[0]["config"]["seed"]],
        "parameters": sum(len(report["seeds"]) * report["parameters"] for report in reports),
        "uar": uar,
        "accuracy": accuracy,
        "adapted_uar": adapted_uar,
        "adapted_accuracy": adapted_accuracy,
    }
    Path(out).write_text(json.dumps(result, indent=2) + "\n")
    for name in ["uar", "accuracy", "adapted_uar", "adapted_accuracy"]:
        print(f"{name:17} {result[name]['mean']:.4f} over {result['folds']} folds")


if __name__ == "__main__":
    main()

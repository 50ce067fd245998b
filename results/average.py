"""Scores the average of several systems from what `cross_validate` wrote about the same folds, and writes a report that `results` reads.

    python results/average.py REPORT.json FOLDER FOLDER [...]

Each folder is one of `cross_validate --out`. A system's seeds are averaged first, then the systems, with equal weights: the logarithms of the
probabilities. Copies of clips (`leaky-seed`) are refused. "Adapted" shifts the prior for each tested speaker as `Recognizer::adapted_to` does: by the
mean of the logarithms of that speaker's probabilities, times n / (n + 10). Where a system normalises per speaker, a model file of `[[fused]]` systems always
shifts, once, after the average: so do the scores here, and the shift that such a system's probabilities have in its folder is taken back first.
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
    seeds = defaultdict(dict)
    with open(Path(folder) / "predictions.csv", newline="") as file:
        for row in csv.DictReader(file):
            clip = (row["fold"], row["path"], row["speaker"], row["truth"])
            if clip in seeds[row["seed"]]:
                sys.exit(f"{folder}: several rows of {row['path']}: copies of a clip cannot be averaged")
            logs = {name[2:]: math.log(max(float(value), 1e-6)) for name, value in row.items() if name.startswith("p_")}
            seeds[row["seed"]][clip] = logs
    if per_speaker(report):
        seeds = {seed: shifted(clips, lambda n: -n / 10) for seed, clips in seeds.items()}
    first = next(iter(seeds.values()))
    def mean(clip):
        of_seeds = [probabilities(clips[clip]) for clips in seeds.values()]
        return {name: math.log(max(statistics.fmean(p[name] for p in of_seeds), 1e-6)) for name in of_seeds[0]}
    return report, {clip: mean(clip) for clip in first}


def per_speaker(report):
    """Whether one of the systems normalises per speaker."""
    systems = [report["config"], *report["config"].get("fused", [])]
    return any(system["normalizer"]["scope"] == "speaker" for system in systems)


def probabilities(logs):
    """What the logarithms stand for, with the sum 1."""
    total = sum(math.exp(log) for log in logs.values())
    return {name: math.exp(log) / total for name, log in logs.items()}


def shifted(clips, factor):
    """The same with the prior of each speaker of n clips shifted by the mean of the centred logarithms times `factor(n)`.

    What n / (n + 10) did, -n / 10 takes back: of a mean m it leaves m * 10 / (n + 10).
    """
    speakers = defaultdict(list)
    for (fold, _, speaker, _), logs in clips.items():
        speakers[fold, speaker].append(logs)
    def shift(of_speaker):
        means = {name: statistics.fmean(logs[name] for logs in of_speaker) for name in of_speaker[0]}
        middle = statistics.fmean(means.values())
        return {name: (mean - middle) * factor(len(of_speaker)) for name, mean in means.items()}
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
    is_per_speaker = any(map(per_speaker, reports))
    adapted = shifted(together, lambda n: n / (n + 10))
    uar, accuracy = scores(adapted if is_per_speaker else together)
    adapted_uar, adapted_accuracy = (None, None) if is_per_speaker else scores(adapted)
    # Corpora that only train, or that a model was trained on before, are named in the guard.
    guards = [report["guard"] for report in reports]
    names = ("trained on only", "began with")
    result = {
        "guard": max(guards, key=lambda guard: any(name in guard[0] for name in names)),
        "pooled": {"class_names": sorted(next(iter(first.values())))},
        "corpora": sorted({corpus for report in reports for corpus in report["corpora"]}),
        "protocol": reports[0]["protocol"],
        "config": {"normalizer": {"scope": "speaker" if is_per_speaker else "training"}},
        "speakers": max((report["speakers"] for report in reports), key=["disjoint", "unknown", "shared"].index),
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
        if result[name] is not None:
            print(f"{name:17} {result[name]['mean']:.4f} over {result['folds']} folds")


if __name__ == "__main__":
    main()

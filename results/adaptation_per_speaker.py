"""What a model that normalises per speaker gives when it is adapted to 1, 3, 10 and 30 recordings: mixed ones, and ones of a single emotion.

    python results/adaptation_per_speaker.py predictions.csv model.safetensors

Both are of `train --config` with `[normalizer] scope = "speaker"`. Half of each tested speaker's clips of each emotion are there to
adapt to, the others are recognised by the built example `recognize --adapt`: the same clips in every column that the speaker has clips
enough for; three draws. Needs numpy (2.x).
"""

import csv
import json
import subprocess
import sys

import numpy as np

COUNTS = (1, 3, 10, 30)
DRAWS = 3
RECOGNIZE = "target/release/examples/recognize"


def recognized(model, adapt, files):
    arguments = [argument for path in adapt for argument in ("--adapt", path)]
    output = subprocess.run([RECOGNIZE, "--json", "--model", model, *arguments, *files], capture_output=True, check=True)
    return [json.loads(line)["emotion"] for line in output.stdout.splitlines()]


def recall(pairs):
    return np.mean([np.mean([p == truth for truth, p in pairs if truth == label]) for label in {t for t, _ in pairs}])


def main(predictions, model):
    with open(predictions) as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    truth = {row["path"]: row["truth"] for row in rows}
    print("| recordings | of the scored clips |", " | ".join(map(str, COUNTS)), "|")
    for one_emotion in (False, True):
        columns = []
        for count in COUNTS:
            all_pairs, own_pairs = [], []
            for draw in range(DRAWS):
                for index, speaker in enumerate(sorted({row["speaker"] for row in rows})):
                    rng = np.random.default_rng([draw, index])
                    pool, rest = [], []
                    for label in sorted(set(truth.values())):
                        own = [row["path"] for row in rows if row["speaker"] == speaker and row["truth"] == label]
                        own = list(rng.permutation(own))
                        pool += own[: len(own) // 2]
                        rest += own[len(own) // 2 :]
                    pool = list(rng.permutation(pool))
                    label = truth[pool[0]]
                    if one_emotion:
                        pool = [path for path in pool if truth[path] == label]
                    if len(pool) < count:
                        continue
                    pairs = list(zip(map(truth.get, rest), recognized(model, pool[:count], rest)))
                    all_pairs += pairs
                    own_pairs += [pair for pair in pairs if pair[0] == label]
            columns.append([f"{recall(pairs):.3f}" if pairs else "–" for pairs in (all_pairs, own_pairs)])
        names = ("all", "that emotion") if one_emotion else ("all",)
        for name, cells in zip(names, zip(*columns)):
            print(f"| {'one emotion' if one_emotion else 'mixed'} | {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

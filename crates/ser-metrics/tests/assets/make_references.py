"""Writes the reference values of the tests, one JSON file for each test file that reads one.

Run in this folder with Python 3.11 (netcal imports torch; its CPU build will do):
    pip install scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 audmetric==1.4.2 netcal==1.4.0 torch==2.15.0
    python make_references.py
"""

import itertools
import json
import math
import re
import warnings
from importlib.metadata import version

import audmetric
import numpy as np
from netcal.metrics import ECE, MCE
from scipy import optimize, special, stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar

for package, pinned in {
    "scikit-learn": "1.9.1",
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "statsmodels": "0.15.0",
    "audmetric": "1.4.2",
    "netcal": "1.4.0",
}.items():
    assert version(package) == pinned, (package, version(package))
warnings.filterwarnings("ignore")  # zero division, undefined metrics: some cases are about these

SEVEN = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
PRIOR = [0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05]


def finite(value):
    """Replaces NaN, which JSON does not have, by null, and NumPy's types by Python's."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [finite(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def write(name, cases):
    with open(name, "w", encoding="utf-8") as file:
        # One case a line.
        lines = [json.dumps(finite(case), ensure_ascii=False, allow_nan=False) for case in cases]
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


# Confusion matrices and what follows from them.

CONFUSIONS = {
    # name: (class names, truth, predictions)
    "asymmetric": (["angry", "neutral", "sad"], [0, 0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 2, 1, 2, 2, 2, 0]),
    "binary": (["no", "yes"], [0, 0, 0, 1, 1], [0, 0, 1, 1, 0]),
    "all right": (["a", "b", "c"], [0, 1, 2, 1], [0, 1, 2, 1]),
    "all wrong": (["a", "b", "c"], [0, 1, 2, 1], [1, 2, 0, 0]),
    "class absent from the truth": (["fear", "happy", "sad"], [0, 0, 2, 2, 2], [0, 1, 2, 2, 1]),
    "class never predicted": (["fear", "happy", "sad"], [0, 1, 1, 2, 2, 2], [0, 0, 2, 2, 2, 0]),
    "class in neither": (["fear", "happy", "sad"], [0, 0, 2, 2, 2], [0, 2, 2, 2, 0]),
    "one class": (["neutral"], [0, 0, 0], [0, 0, 0]),
    "one of two classes": (["fear", "sad"], [1, 1, 1], [1, 1, 1]),
    "one class in truth and another predicted": (["fear", "sad"], [0, 0], [1, 1]),
    "always the same prediction": (["fear", "happy", "sad"], [0, 0, 1, 2, 2], [2, 2, 2, 2, 2]),
    "single sample right": (["fear", "sad"], [1], [1]),
    "single sample wrong": (["fear", "sad"], [1], [0]),
    "halves that round to even": (["p", "q"], [0] * 8 + [1] * 8, [0] * 1 + [1] * 7 + [1] * 5 + [0] * 3),
    "long names": (["pleasantly surprised", "sad"], [0, 0, 1], [0, 1, 1]),
    "names as wide as the averages": (["twelve chars", "sad"], [0, 0, 1], [0, 1, 1]),
    "names that are not ASCII": (["Überraschung, freudig", "Ärger", "悲しみ"], [0, 0, 1, 2], [0, 1, 1, 2]),
}

rng = np.random.default_rng(20240607)
for size, skill in [(30, 0.2), (500, 0.6), (1000, 0.9)]:
    truth = rng.choice(7, size, p=PRIOR)
    guess = rng.choice(7, size, p=[0.05, 0.1, 0.1, 0.15, 0.2, 0.1, 0.3])
    predictions = np.where(rng.random(size) < skill, truth, guess)
    CONFUSIONS[f"random {size}"] = (SEVEN, truth.tolist(), predictions.tolist())


def scores(truth, predictions, labels, zero_division):
    """Precision, recall, F1 and specificity by class, and their averages."""
    truth, predictions = np.array(truth), np.array(predictions)
    of_class = [(truth == label, predictions == label) for label in labels]
    specificity = [
        metrics.recall_score(~is_truth, ~is_prediction, zero_division=zero_division)
        for is_truth, is_prediction in of_class
    ]

    def average(kind):
        values = metrics.precision_recall_fscore_support(
            truth, predictions, labels=labels, average=kind, zero_division=zero_division
        )
        return list(values[:3])

    weights = np.array([is_truth.sum() for is_truth, _ in of_class], dtype=float)
    defined = ~np.isnan(specificity)
    # Specificity as scikit-learn averages recall: NaN left out, equal weights where all are 0.
    known, weights = np.array(specificity)[defined], weights[defined]
    weighted = math.nan if not len(known) else np.average(known, weights=weights if weights.sum() else None)
    negatives = [np.concatenate([~pair[i] for pair in of_class]) for i in (0, 1)]
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predictions, labels=labels, zero_division=zero_division
    )
    return {
        "classes": list(zip(precision, recall, f1, specificity)),
        "macro_avg": average("macro") + [np.nanmean(specificity)],
        "weighted_avg": average("weighted") + [weighted],
        "micro_avg": average("micro") + [metrics.recall_score(*negatives, zero_division=zero_division)],
    }


def confusion(name, names, truth, predictions):
    labels = list(range(len(names)))

    def report(digits, zero_division):
        text = metrics.classification_report(
            truth, predictions, labels=labels, target_names=names, digits=digits, zero_division=zero_division
        )
        # Where no prediction is right, this version prints the supports as 4.0 in place of 4.
        return re.sub(r"(\d+)\.0$", r"  \1", text, flags=re.MULTILINE)

    def matrix(normalize):
        return metrics.confusion_matrix(truth, predictions, labels=labels, normalize=normalize)

    large = len(truth) > 100
    return {
        "name": name,
        "class_names": names,
        # A digit a sample.
        "truth": "".join(map(str, truth)),
        "predictions": "".join(map(str, predictions)),
        "confusion_matrix": matrix(None),
        **({} if large else {f"normalized_{over}": matrix(over) for over in ["true", "pred", "all"]}),
        "accuracy": metrics.accuracy_score(truth, predictions),
        "uar": metrics.balanced_accuracy_score(truth, predictions),
        "audmetric_uar": audmetric.unweighted_average_recall(truth, predictions, labels=labels),
        "cohen_kappa": metrics.cohen_kappa_score(truth, predictions),
        "matthews_correlation": metrics.matthews_corrcoef(truth, predictions),
        "support": matrix(None).sum(axis=1),
        "zero": scores(truth, predictions, labels, 0),
        **({} if large else {"one": scores(truth, predictions, labels, 1)}),
        **({} if large else {"nan": scores(truth, predictions, labels, np.nan)}),
        "report": report(2, 0),
        "report_4": report(4, 0),
        **({} if large else {"report_nan": report(2, np.nan)}),
    }


write("confusion.json", [confusion(name, *case) for name, case in CONFUSIONS.items()])

# Probabilities.

rng = np.random.default_rng(20250311)


def sixtyfourths(size, classes):
    """Rows that sum to 1 exactly, with many ties."""
    return rng.multinomial(64, [1 / classes] * classes, size) / 64


def softmax_of(truth, classes, strength):
    return special.softmax(rng.normal(size=(len(truth), classes)) + strength * np.eye(classes)[truth], axis=1)


random_truth = rng.choice(7, 60, p=PRIOR)
without_sad = rng.choice(2, 20)
PROBABILITIES = {
    # name: (truth, probabilities)
    "binary": ([0, 0, 1, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.45, 0.55], [0.8, 0.2]]),
    "binary, all right and sure": ([0, 1, 1], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
    "sure and wrong": ([0, 1, 2], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
    "all the same": ([0, 1, 2, 2], [[0.25, 0.5, 0.25]] * 4),
    "asymmetric": (
        [0, 0, 1, 2, 2, 2],
        [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.6, 0.1, 0.3], [0.1, 0.2, 0.7]],
    ),
    "class absent from the truth": (without_sad, softmax_of(without_sad, 3, 1.0)),
    "one class in the truth": ([1, 1, 1, 1], sixtyfourths(4, 3)),
    "ties": (rng.choice(4, 40), sixtyfourths(40, 4)),
    "random": (random_truth, softmax_of(random_truth, 7, 2.0)),
}


def probabilities(name, truth, rows):
    truth, rows = np.array(truth), np.array(rows)
    classes = rows.shape[1]
    labels = list(range(classes))
    one_hot = np.eye(classes, dtype=int)[truth]
    case = {
        "name": name,
        "truth": truth,
        "probabilities": rows,
        "log_loss": metrics.log_loss(truth, rows, labels=labels),
        "brier": metrics.brier_score_loss(truth, rows, labels=labels),
        "roc_auc": [metrics.roc_auc_score(one_hot[:, label], rows[:, label]) for label in labels],
    }
    if classes == 2:
        case["binary_roc_auc"] = metrics.roc_auc_score(truth, rows[:, 1])
    else:
        for average in ["macro", "weighted"]:
            case[f"{average}_roc_auc"] = metrics.roc_auc_score(
                truth, rows, labels=labels, multi_class="ovr", average=average
            )
        case["top_k"] = [metrics.top_k_accuracy_score(truth, rows, k=k, labels=labels) for k in range(1, classes + 1)]
    # netcal has another rule for two classes in the truth, and then refuses more columns.
    if len(set(truth.tolist())) > 2:
        case["calibration"] = [[bins, ECE(bins).measure(rows, truth), MCE(bins).measure(rows, truth)] for bins in (1, 7, 10, 15)]
    return case


write("probabilities.json", [probabilities(name, *case) for name, case in PROBABILITIES.items()])

# Calibration of (confidence, is right).

edges = np.linspace(0, 1, 11)
right = rng.random(200) < 0.6
CALIBRATION = {
    "on the edges of ten bins": (edges, [1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0]),
    "tenths as they are written": ([i / 10 for i in range(11)], [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1]),
    "sure and wrong": ([1.0, 1.0, 1.0], [0, 0, 1]),
    "one bin": ([0.62, 0.64, 0.66, 0.68], [1, 0, 1, 1]),
    "random": (np.clip(rng.normal(0.5 + 0.2 * right, 0.2), 0, 1), right.astype(int)),
}


def calibration(name, confidences, right):
    confidences, right = np.array(confidences), np.array(right)
    count, bounds = np.histogram(np.clip(confidences, 2**-52, 1 - 2**-52), bins=np.linspace(0, 1, 11))
    return {
        "name": name,
        "confidences": confidences,
        "right": right,
        "counts": count,
        "bins": [[bins, ECE(bins).measure(confidences, right), MCE(bins).measure(confidences, right)] for bins in (1, 7, 10, 15)],
        "area": area_under_risk_coverage(confidences, right),
    }


def area_under_risk_coverage(confidences, right):
    """The mean of the risks after 1, 2, … samples; over all orders of samples with equal confidence if few, else none tie."""
    groups = [np.flatnonzero(confidences == value) for value in sorted(set(confidences), reverse=True)]
    orders = itertools.product(*(itertools.permutations(group) for group in groups))
    areas = []
    for order in orders:
        wrong = 1 - right[np.concatenate(order)]
        areas.append(np.mean(np.cumsum(wrong) / np.arange(1, len(wrong) + 1)))
    return np.mean(areas)


CALIBRATION["ties"] = ([0.9, 0.9, 0.9, 0.7, 0.7, 0.5, 0.5, 0.5, 0.5, 0.2], [1, 0, 1, 1, 0, 0, 0, 1, 0, 0])
random_confidences, random_right = CALIBRATION["random"]
# Clipped ones tie by the dozen: no order of these could be averaged over.
inside = (random_confidences > 0) & (random_confidences < 1)
CALIBRATION["random"] = (random_confidences[inside], random_right[inside])
write("calibration.json", [calibration(name, *case) for name, case in CALIBRATION.items()])

# Temperatures.


def temperature(name, truth, logits):
    truth, logits = np.array(truth), np.array(logits, dtype=float)

    def loss(scale):
        return np.mean(special.logsumexp(scale * logits, axis=1) - scale * logits[np.arange(len(truth)), truth])

    def slope(scale):
        weights = special.softmax(scale * logits, axis=1)
        return np.mean((weights * logits).sum(axis=1) - logits[np.arange(len(truth)), truth])

    scale = optimize.brentq(slope, 1 / 20, 1 / 0.05, xtol=1e-15, rtol=1e-14)
    # Two roads to one minimum.
    least = optimize.minimize_scalar(loss, bounds=(1 / 20, 1 / 0.05), method="bounded", options={"xatol": 1e-10})
    assert abs(least.x - scale) < 1e-6, (least.x, scale)
    return {
        "name": name,
        "truth": truth,
        "logits": logits,
        "temperature": 1 / scale,
        "log_loss": loss(scale),
        "first_row": special.softmax(logits[0] * scale),
    }


def logits_of(truth, classes, strength, spread):
    return spread * np.round(rng.normal(size=(len(truth), classes)) + strength * np.eye(classes)[truth], 3)


truth = rng.choice(7, 50, p=PRIOR)
write(
    "temperature.json",
    [
        temperature("overconfident", truth, logits_of(truth, 7, 1.5, 6.0)),
        temperature("underconfident", truth, logits_of(truth, 7, 2.5, 0.125)),
        temperature("binary", truth % 2, logits_of(truth % 2, 2, 1.0, 2.0)),
        temperature("large logits", [0, 1, 2, 2], [[900, 890, 880], [-700, -703, -710], [0, 5, 4], [1, 2, 9]]),
    ],
)

# Regression.

truth = rng.normal(size=50)
REGRESSION = {
    "asymmetric": ([1.0, 2.0, 4.0, 8.0], [1.5, 1.0, 4.5, 6.0]),
    "shifted": ([1.0, 2.0, 3.0], [11.0, 12.0, 13.0]),
    "opposite": ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]),
    "equal": ([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]),
    "constant predictions": ([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]),
    "constant truth": ([2.0, 2.0, 2.0], [1.0, 2.0, 4.0]),
    "two constants": ([1.0, 1.0], [2.0, 2.0]),
    "all the same": ([2.0, 2.0], [2.0, 2.0]),
    "one sample": ([1.0], [2.0]),
    "far from zero": (1e6 + truth, 1e6 + 0.5 * truth + 0.25),
    "random": (truth, 0.6 * truth + 0.3 + rng.normal(size=50)),
}
write(
    "regression.json",
    [
        {
            "name": name,
            "truth": truth,
            "predictions": predictions,
            "ccc": audmetric.concordance_cc(np.array(truth), np.array(predictions)),
            "pearson": audmetric.pearson_cc(np.array(truth), np.array(predictions)),
            "mae": metrics.mean_absolute_error(truth, predictions),
            "rmse": metrics.root_mean_squared_error(truth, predictions),
        }
        for name, (truth, predictions) in REGRESSION.items()
    ],
)

# Random draws.


def chacha8(key, blocks):
    """The 32-bit words of ChaCha with 8 rounds, a 64-bit counter from 0 and the nonce 0 (Bernstein 2008)."""

    def quarter(x, a, b, c, d):
        for left, right, target, turn in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            x[left] = (x[left] + x[right]) % 2**32
            mixed = x[target] ^ x[left]
            x[target] = (mixed << turn | mixed >> (32 - turn)) % 2**32

    constants = np.frombuffer(b"expand 32-byte k", "<u4").tolist()
    for block in range(blocks):
        start = constants + np.frombuffer(key, "<u4").tolist() + [block, 0, 0, 0]
        x = start.copy()
        for _ in range(4):
            for i in range(4):
                quarter(x, i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        yield from ((a + b) % 2**32 for a, b in zip(x, start))


def draws(seed, units, resamples):
    """Resamples as the indices that are drawn: the high half of a 64-bit word times the number of units."""
    words = list(chacha8(seed.to_bytes(32, "little"), units * resamples // 8 + 1))
    indices = [(words[2 * i] + 2**32 * words[2 * i + 1]) * units >> 64 for i in range(units * resamples)]
    return np.reshape(indices, (resamples, units))


# Significance and intervals.


def mcnemar_case(only_first, only_second):
    table = [[10, only_first], [only_second, 5]]
    chi_square = mcnemar(table, exact=False, correction=True)
    return {
        "only_first": only_first,
        "only_second": only_second,
        "exact": mcnemar(table, exact=True).pvalue,
        "statistic": chi_square.statistic,
        "p_value": chi_square.pvalue,
    }


def permutation_case(name, truth, first, second, metric):
    truth, first, second = map(np.array, (truth, first, second))

    def statistic(x, y):
        return metric(truth, x) - metric(truth, y)

    test = stats.permutation_test((first, second), statistic, permutation_type="samples", n_resamples=np.inf)
    return {
        "metric": name,
        "truth": truth,
        "first": first,
        "second": second,
        "difference": test.statistic,
        "p_value": test.pvalue,
    }


truth = rng.choice(3, 11, p=[0.5, 0.3, 0.2])
better = np.where(rng.random(11) < 0.8, truth, rng.choice(3, 11))
worse = np.where(rng.random(11) < 0.2, truth, rng.choice(3, 11))
numbers = rng.normal(size=10).round(3)
near, far = (numbers + rng.normal(size=(2, 10)) * [[0.6], [1.0]]).round(3)
values = rng.normal(0.6, 0.05, 101).round(3)
write(
    "significance.json",
    [
        {
            "mcnemar": [
                mcnemar_case(*counts)
                for counts in [(0, 1), (1, 0), (3, 3), (1, 9), (12, 5), (30, 31), (40, 15), (120, 180), (1500, 900), (0, 400)]
            ],
            "permutation": [
                permutation_case("accuracy", truth, better, worse, metrics.accuracy_score),
                permutation_case("uar", truth, better, worse, metrics.balanced_accuracy_score),
                permutation_case("uar", truth, worse, better, metrics.balanced_accuracy_score),
                permutation_case("accuracy", truth, better, better, metrics.accuracy_score),
                permutation_case("mae", numbers, near, far, metrics.mean_absolute_error),
            ],
            "mean_std": {"values": values, "mean": np.mean(values), "std": np.std(values, ddof=1)},
            "quantiles": [[level, *np.quantile(values, [(1 - level) / 2, (1 + level) / 2])] for level in [0.5, 0.9, 0.95, 0.99]],
            "draws": {"seed": 42, "resamples": draws(42, 6, 20)},
            "bootstrap": {
                "level": 0.9,
                "interval": stats.bootstrap(
                    (values,), np.mean, method="percentile", confidence_level=0.9, n_resamples=200_000, batch=10_000, rng=1
                ).confidence_interval,
            },
        }
    ],
)

"""The results of benches/accuracy.py as Markdown."""

import collections
import math
import statistics


def upper_bound(wrong, trials):
    """The largest rate of errors that gives so few of them with a probability of 5 % (Clopper and Pearson, one-sided)."""
    if wrong >= trials:
        return 1.0
    low, high = wrong / trials, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        logs = [
            math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            + (k * math.log(rate) if k else 0) + (trials - k) * math.log1p(-rate)
            for k in range(wrong + 1)
        ]
        if sum(map(math.exp, logs)) > 0.05:
            low = rate
        else:
            high = rate
    return high


def share(value):
    return "" if value is None else f"{value:.3f}"


def row(name, results, goal):
    """One row of the table: all seeds of one kind of case."""
    scores = [result["score"] for result in results]
    recalls = [score["recall"] for score in scores]
    reviews = [score["with_review"] for score in scores]
    false = sum(score["FALSE"] for score in scores)
    reached = not false and (goal[0] is None or (min(recalls) >= goal[0] and min(reviews) >= goal[1]))
    return [
        name,
        results[0]["options"],
        " ".join(str(result["seed"]) for result in results),
        str(sum(result["decisions"] for result in results)),
        str(false),
        share(min(recalls)),
        share(statistics.mean(recalls)),
        share(min(reviews)),
        share(statistics.mean(reviews)),
        "0 false" if goal[0] is None else f"{goal[0]:.2f}, {goal[1]:.2f}",
        "yes" if reached else "NO",
    ]


def markdown(head, lines):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *lines])


def counted(results):
    """For each method: decisions, wrong ones, groups of pictures in which it decided, groups with a wrong one."""
    methods = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    for result in results:
        for method, groups in result["methods"].items():
            for group, (right, wrong) in groups.items():
                for of in (methods[method], methods["all"]):
                    of[group][0] += right
                    of[group][1] += wrong
    out = {}
    for method in sorted(methods, key=lambda method: (method == "all", method)):
        groups = methods[method].values()
        wrong = sum(count for _, count in groups)
        out[method] = (wrong + sum(count for count, _ in groups), wrong, len(groups), sum(1 for _, count in groups if count))
    return out


def counts(results):
    """What the program is told of its tiers, as CSV."""
    rows = [",".join(map(str, (method, *of))) for method, of in counted(results).items() if method != "all"]
    return "\n".join(["tier,decisions,wrong,groups,wrong_groups", *rows, ""])


def decisions(results):
    """How often each method decided, how often wrongly, and the bound that the number of picture groups allows: frames of
    one burst, and one picture in several cases, do not err independently."""
    lines = []
    for method, (all_of_it, wrong, groups, wrong_groups) in counted(results).items():
        bounds = [f"{100 * upper_bound(*of):.2f} %" for of in ((wrong, all_of_it), (wrong_groups, groups))]
        lines.append([method, str(all_of_it), str(wrong), bounds[0], f"{wrong_groups} of {groups}", bounds[1]])
    head = ["decided by", "decisions", "false", "at most (95 %), were they independent", "groups with a false one", "groups, at most (95 %)"]
    return markdown(head, lines)


def pairs(results):
    """The pairs of records whose thumbnails nobody can tell apart, and what became of them."""
    lines = []
    for result in results:
        for pair in result["alike"]:
            cells = [f"{result['name']} seed {result['seed']}"]
            for one in pair:
                sent = "sent" if one["sent"] else "never sent"
                cells.append(f"{one['record']} ({one['source']}, {sent}): {one['outcome']}")
            lines.append(cells)
    return markdown(["case", "record", "its double"], lines) if lines else ""


def beside(results):
    """What bare hashes give on the same cases: mean recalls, sums of false attachments."""
    lines = []
    for name, of_row in results.items():
        of_row = [result for result in of_row if result.get("baselines")]
        if not of_row:
            continue
        recall = statistics.mean(result["score"]["recall"] for result in of_row)
        false = sum(result["score"]["FALSE"] for result in of_row)
        lines.append([name, "**reunite**", share(recall), str(false), "" if false else share(recall)])
        for hashed in of_row[0]["baselines"]:
            all_of_it = [result["baselines"][hashed] for result in of_row]
            mean = {key: statistics.mean(one[key] for one in all_of_it) for key in ("recall", "recall_without_false")}
            false = sum(one["false"] for one in all_of_it)
            lines.append([name, hashed, share(mean["recall"]), str(false), share(mean["recall_without_false"])])
    return markdown(["case", "by", "best recall", "false at that point", "recall at 0 false"], lines) if lines else ""


def table(results, goals):
    """Everything: `results` is {row: [result of a seed]}, `goals` {row: (recall, with review)}."""
    every = [result for of_row in results.values() for result in of_row]
    head = [
        "case", "options", "seeds", "decisions", "false", "recall min", "mean", "with review min", "mean", "goal", "reached",
    ]
    parts = [markdown(head, [row(name, of_row, goals[name]) for name, of_row in results.items()]), decisions(every)]
    for title, text in (
        ("Records of one customer whose thumbnails nobody can tell apart:", pairs(every)),
        ("Bare perceptual hashes on the same cases:", beside(results)),
    ):
        if text:
            parts.append(f"{title}\n\n{text}")
    return "\n\n".join(parts)

"""Time gbstats on the inputs of the statistics bench, compare its answers, and print both times."""

import json
import pathlib
import sys
import time

from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    ProportionStatistic,
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)

PAGE_LIMIT_SECONDS = 1e-3
FACTOR_AT_LEAST = 100
# gbstats takes p as 1 - cdf and, for an adjusted metric, leaves a covariance out of the relative
# error; both engines agree to this much where they compute the same thing.
TOLERANCE = 1e-7
ROUNDS = 15


def mean_statistic(arm, quantity, product):
    return SampleMeanStatistic(
        n=arm["n"], sum=arm["sums"][quantity], sum_squares=arm["products"][product]
    )


def statistic(kind, arm):
    if kind == "conversion":
        return ProportionStatistic(n=arm["n"], sum=arm["conversions"])
    if kind == "mean":
        return mean_statistic(arm, 0, 0)
    first, second = mean_statistic(arm, 0, 0), mean_statistic(arm, 1, 2)
    if kind == "ratio":
        return RatioStatistic(
            n=arm["n"],
            m_statistic=first,
            d_statistic=second,
            m_d_sum_of_products=arm["products"][1],
        )
    return RegressionAdjustedStatistic(
        n=arm["n"],
        post_statistic=first,
        pre_statistic=second,
        post_pre_sum_of_products=arm["products"][1],
        theta=0,
    )


def analyse(kind, control, treatment):
    a, b = statistic(kind, control), statistic(kind, treatment)
    if kind == "adjusted":
        a.theta = b.theta = compute_theta(a, b)
    fixed = TwoSidedTTest(a, b, FrequentistConfig()).compute_result()
    sequential = SequentialTwoSidedTTest(a, b, SequentialConfig()).compute_result()
    prior = EffectBayesianConfig(prior_effect=GaussianPrior(mean=0, variance=0.09, proper=True))
    bayesian = EffectBayesianABTest(a, b, prior).compute_result()
    return [fixed.p_value, sequential.ci[0], sequential.ci[1], bayesian.chance_to_win]


def page(metrics):
    return [
        [analyse(metric["kind"], metric["arms"][0], arm) for arm in metric["arms"][1:]]
        for metric in metrics
    ]


def best_time(metrics):
    def once():
        start = time.perf_counter()
        page(metrics)
        return time.perf_counter() - start

    return min(once() for _ in range(ROUNDS))


def disagreements(metrics):
    for metric, theirs in zip(metrics, page(metrics)):
        if metric["kind"] == "adjusted":
            continue
        for ours, other in zip(metric["answers"], theirs):
            for x, y in zip(ours, other):
                if abs(x - y) > TOLERANCE * max(abs(x), abs(y)):
                    yield f"{metric['kind']}: {x} here, {y} by gbstats"


def best_of_criterion(folder, name):
    """The best sample, as for gbstats: what other processes on the machine take away is not ours."""
    sample = json.loads((folder / name / "new" / "sample.json").read_text())
    return min(time / count for time, count in zip(sample["times"], sample["iters"])) * 1e-9


def main():
    metrics = json.loads(pathlib.Path(sys.argv[1]).read_text())
    criterion = pathlib.Path(sys.argv[2])
    full = best_of_criterion(criterion, "full_page")
    common = best_of_criterion(criterion, "common_part")
    theirs = best_time(metrics)
    faults = list(disagreements(metrics))
    print("| 10 metrics × 4 variants | time |")
    print("| --- | ---: |")
    print(f"| every method, from the exact sums on | {full * 1e3:.3f} ms |")
    print(f"| relative t test, sequential test, posterior | {common * 1e6:.1f} µs |")
    print(f"| the same by gbstats 0.8.0 | {theirs * 1e3:.1f} ms |")
    print(f"| factor | {theirs / common:,.0f} |")
    if full >= PAGE_LIMIT_SECONDS:
        faults.append(f"a full page takes {full * 1e3:.2f} ms")
    if theirs < FACTOR_AT_LEAST * common:
        faults.append(f"only {theirs / common:.0f} times as fast as gbstats")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()

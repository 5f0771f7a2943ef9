"""Random samples with the answers of SciPy, statsmodels and pingouin: writes stat_tests.json.

    pip install scipy statsmodels pingouin pandas && python stat_tests.py
"""
import json
import pathlib
import warnings

import numpy as np
import pandas as pd
import pingouin
import scipy
import statsmodels
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import FTestAnovaPower

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20)


def samples():
    k = int(rng.integers(2, 7))
    groups = []
    for _ in range(k):
        n = int(rng.integers(3, 15))
        x = rng.normal(rng.normal(0, rng.choice([0, 0.5, 3])), rng.uniform(0.2, 3), n)
        if rng.random() < 0.3:
            x = np.exp(x)
        groups.append(np.round(x, int(rng.choice([1, 3, 9]))).tolist())  # rounding makes ties
    return groups if all(len(set(g)) > 1 for g in groups) else samples()


def eta_squared(x, y):
    """pingouin's np2 of a one-way design is η²; NaN where nothing varies."""
    frame = pd.DataFrame({"v": np.concatenate([x, y]), "g": [0] * len(x) + [1] * len(y)})
    return pingouin.anova(frame, dv="v", between="g", detailed=True)["np2"].iloc[0] if frame.v.nunique() > 1 else np.nan


def case():
    groups = samples()
    frame = pd.DataFrame([(i, v) for i, g in enumerate(groups) for v in g], columns=["group", "value"])
    anova = stats.f_oneway(*groups)
    welch = pingouin.welch_anova(frame, dv="value", between="group").iloc[0]
    kruskal = stats.kruskal(*groups)
    levene = [stats.levene(*groups, center=c) for c in ("mean", "median")]
    shapiro = [stats.shapiro(g) for g in groups]
    tukey = stats.tukey_hsd(*groups)
    games = pingouin.pairwise_gameshowell(frame, dv="value", between="group")
    interval = tukey.confidence_interval(0.95)
    pairs = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))]
    p_column = next(c for c in welch.index if c.lower().replace("-", "_") == "p_unc")
    g_column = next(c for c in games.columns if c.lower().startswith("pval") or c.lower() == "p_val")
    total = sum((v - frame.value.mean()) ** 2 for v in frame.value)
    between = sum(len(g) * (np.mean(g) - frame.value.mean()) ** 2 for g in groups)
    x, y = np.array(groups[0]), np.array(groups[1])
    first = rng.integers(0, len(x), (60, len(x)))
    second = rng.integers(0, len(y), (60, len(y)))
    values = [pingouin.compute_effsize(x[a], y[b], eftype="hedges") for a, b in zip(first, second)]
    etas = [eta_squared(x[a], y[b]) for a, b in zip(first, second)]
    between_means = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    values = [v for v in values if abs(v) < 1e9]  # resamples without variance divide by rounding errors
    return {
        "groups": groups, "anova": [anova.statistic, anova.pvalue, between / total],
        "welch": [welch["F"], welch["ddof2"], welch[p_column]], "kruskal": [kruskal.statistic, kruskal.pvalue],
        "levene_mean": list(levene[0]), "levene_median": list(levene[1]), "shapiro": [list(s) for s in shapiro],
        "tukey": [[tukey.statistic[p], tukey.pvalue[p], interval.low[p], interval.high[p]] for p in pairs],
        "games": [[float(d), float(p)] for d, p in zip(games["diff"], games[g_column])],
        "welch_interval": [between_means.low, between_means.high],
        "hedges": pingouin.compute_effsize(x, y, eftype="hedges"),
        "bootstrap": {"first": first.tolist(), "second": second.tolist(),
                      "interval": np.percentile(values, [2.5, 97.5]).tolist(),
                      "eta_interval": np.nanpercentile(etas, [2.5, 97.5]).tolist()}}


def blocked():
    a, b, r = (int(rng.integers(2, 5)) for _ in range(3))
    y = rng.normal(0, 1, (a, b, r)) + rng.normal(0, 2, (a, 1, 1)) + rng.normal(0, 1, (1, b, 1)) + rng.normal(0, 1, (1, 1, r))
    frame = pd.DataFrame([(i, j, k, y[i, j, k]) for i in range(a) for j in range(b) for k in range(r)],
                         columns=["s", "q", "run", "y"])
    table = anova_lm(smf.ols("y ~ C(s) * C(q) + C(run)", frame).fit(), typ=2)
    lines = [[table.loc[n, c] for c in ("sum_sq", "df", "F", "PR(>F)")] for n in ("C(s)", "C(q)", "C(s):C(q)", "C(run)")]
    return {"y": y.tolist(), "lines": lines, "residual": table.loc["Residual", ["sum_sq", "df"]].tolist()}


def main():
    out = {"made_with": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "pingouin": pingouin.__version__},
           "cases": [case() for _ in range(25)], "blocked": [blocked() for _ in range(8)]}
    out["range"] = [[q, k, df, float(stats.studentized_range.sf(q, k, df))]
                    for q in (0.3, 1.7, 3.5, 6, 12) for k in (2, 3, 5, 10, 20) for df in (2, 4.5, 18, 120)]
    out["holm"] = [[p.tolist(), multipletests(p, method="holm")[1].tolist()] for p in (rng.random(n) ** 3 for n in (1, 4, 9, 36))]
    out["power"] = [[f, k, n, float(FTestAnovaPower().power(f, n * k, 0.05, k_groups=k))]
                    for f in (0.1, 0.4, 1.2) for k in (2, 5) for n in (3, 10)]
    text = json.dumps(out, default=float).replace('}, {"groups"', '},\n{"groups"')
    pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()

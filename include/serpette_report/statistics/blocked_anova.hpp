#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette_report/statistics/anova.hpp"

namespace serpette {

/// One line of an analysis of variance.
struct AnovaLine {
  std::string_view source;
  double sum_of_squares = 0, df = 0;
  double f = std::numeric_limits<double>::quiet_NaN(), p = std::numeric_limits<double>::quiet_NaN();
  double partial_eta_squared =
      std::numeric_limits<double>::quiet_NaN();  ///< SS / (SS + SS residual).
};

/// y = scenario + ratio + scenario × ratio + run: two factors, whole runs as blocks, so that what a
/// run's own pre-training does to all its cells is no noise.
/// @param y       values [scenario][ratio][run]; balanced, at least two of each.
/// @return        lines "scenario", "ratio", "scenario × ratio", "run", "residual".
/// @throws Error  if the values are not balanced or not finite.
/// Source: Montgomery, Design and Analysis of Experiments, ch. 5 (blocking in a factorial design);
/// equals statsmodels' anova_lm of y ~ C(scenario) * C(ratio) + C(run).
inline std::vector<AnovaLine> blocked_anova(
    const std::vector<std::vector<std::vector<double>>>& y) {
  constexpr std::string_view kPlace = "two-way blocked ANOVA";
  require(y.size() >= 2 && y[0].size() >= 2 && y[0][0].size() >= 2, kPlace,
          "should have at least two scenarios, ratios and runs");
  const std::size_t a = y.size(), b = y[0].size(), r = y[0][0].size();
  std::vector<double> all, scenario(a), ratio(b), run(r);
  for (std::size_t i = 0; i < a; ++i) {
    require(y[i].size() == b, kPlace, "every scenario should have the same {} ratios, got {}", b,
            y[i].size());
    for (std::size_t j = 0; j < b; ++j) {
      require(y[i][j].size() == r, kPlace, "every cell should have the same {} runs, got {}", r,
              y[i][j].size());
      for (std::size_t k = 0; k < r; ++k) {
        require(std::isfinite(y[i][j][k]), kPlace, "values should be finite, got {}", y[i][j][k]);
        all.push_back(y[i][j][k]);
      }
    }
  }
  const double center = mean(all);
  const auto na = static_cast<double>(a), nb = static_cast<double>(b), nr = static_cast<double>(r);
  double total = 0, cells = 0;
  for (std::size_t i = 0; i < a; ++i)
    for (std::size_t j = 0; j < b; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < r; ++k) {
        const double off = y[i][j][k] - center;
        sum += off, scenario[i] += off, ratio[j] += off, run[k] += off, total += off * off;
      }
      cells += sum * sum / nr;
    }
  const auto squares = [](const std::vector<double>& sums, double count) {
    double sum = 0;
    for (const double s : sums) sum += s * s / count;
    return sum;
  };
  const double of_scenario = squares(scenario, nb * nr), of_ratio = squares(ratio, na * nr),
               of_run = squares(run, na * nb);
  const double residual = total - cells - of_run, df = (na * nb - 1) * (nr - 1);
  std::vector<AnovaLine> lines{
      {"scenario", of_scenario, na - 1},
      {"ratio", of_ratio, nb - 1},
      {"scenario × ratio", cells - of_scenario - of_ratio, (na - 1) * (nb - 1)},
      {"run", of_run, nr - 1}};
  for (auto& line : lines) {
    if (!(residual > 1e-12 * total)) continue;  // nothing but rounding left: F is undefined
    line.f = (line.sum_of_squares / line.df) / (residual / df);
    line.p = detail::f_tail(line.f, line.df, df);
    line.partial_eta_squared = line.sum_of_squares / (line.sum_of_squares + residual);
  }
  lines.push_back({"residual", residual, df});
  return lines;
}

}  // namespace serpette

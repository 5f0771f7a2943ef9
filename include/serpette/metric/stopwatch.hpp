#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/quantile.hpp"

namespace serpette {

/// Time since it was made, on the steady clock.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  [[nodiscard]] double milliseconds() const { return seconds() * 1e3; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// What repeated measurements come to; in the unit of the measurements.
struct Statistics {
  double median = 0, mean = 0, min = 0, max = 0;
  double p5 = 0, p95 = 0;  ///< Percentiles, linear between neighbours (NumPy's default).
};

/// @param samples  at least one.
/// @throws Error   if there is none.
inline Statistics statistics_of(std::span<const double> samples) {
  require(!samples.empty(), "timing", "should have at least one sample, got none");
  std::vector<double> sorted(samples.begin(), samples.end());
  std::ranges::sort(sorted);
  const auto n = sorted.size();
  return {quantile(sorted, 0.5),
          std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(n),
          sorted.front(),
          sorted.back(),
          quantile(sorted, 0.05),
          quantile(sorted, 0.95)};
}

/// Runs `work` warm_up times unmeasured, then `repetitions` times measured [ms].
/// @param synchronize  called before the clock is read, so that work queued on a device has ended.
template <std::invocable Work, std::invocable Synchronize>
Statistics measure(Work&& work, Synchronize&& synchronize, int warm_up = 5, int repetitions = 50) {
  require(repetitions > 0, "timing", "repetitions should be at least 1, got {}", repetitions);
  for (int i = 0; i < warm_up; ++i) work();
  std::vector<double> samples;
  for (int i = 0; i < repetitions; ++i) {
    synchronize();
    const Stopwatch watch;
    work();
    synchronize();
    samples.push_back(watch.milliseconds());
  }
  return statistics_of(samples);
}

}  // namespace serpette

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "serpette/method/train.hpp"

namespace serpette {

/// A learning rate for a network, its data and an objective: that of a range test. On a copy of the
/// detector every step takes a rate that is larger than the one before by the same factor; the mean
/// loss falls, has its lowest value, and rises when the rate is too large. A tenth of the rate at
/// the lowest point is a safe peak; of a network that is trained already, whose loss hardly falls,
/// a hundredth of the rate at which it has doubled. Source: Smith 2017 (Cyclical Learning Rates,
/// sec. 3.3).
struct LearningRateFinder {
  double lowest = 1e-6, highest = 1;
  std::int64_t steps = 60;
  double smoothing = 0.8;  ///< Share of the past in the mean loss.
  double given_up = 2;     ///< The test ends where the mean loss is so many times its lowest.

  /// @param next  gives training batches.
  /// @throws Error  if even the lowest rate diverges.
  template <Detector D, Observer O>
  double operator()(const D& detector, const BatchSource& next, const Defence& defence,
                    TrainSettings settings, Seed seed, at::Device device, O& observer) const {
    auto copy = detector.clone();
    MovedWeights moves(copy);
    settings.steps = steps;
    Training training(copy, moves, defence, settings, seed, device);
    double mean = 0, weight = 0, low = std::numeric_limits<double>::infinity(), found = 0, last = 0;
    while (!training.finished()) {
      const double rate = lowest * std::pow(highest / lowest, static_cast<double>(training.done()) /
                                                                  static_cast<double>(steps - 1));
      last = rate;
      double loss = 0;
      try {
        loss = training.step(next, rate);
      } catch (const Diverged&) {
        break;
      }
      mean = smoothing * mean + (1 - smoothing) * loss;
      weight = smoothing * weight + (1 - smoothing);
      if (mean / weight < low) {
        low = mean / weight;
        found = rate;
      }
      notify::step(observer, training.done(), loss);
      if (mean / weight > given_up * low) break;
    }
    require(found > 0, "learning rate",
            "should find one that does not diverge from {} on, got none", lowest);
    return std::max(found / 10, last / 100);
  }
};

}  // namespace serpette

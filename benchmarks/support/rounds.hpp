#pragma once

#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "serpette/core/quantile.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_view.hpp"
#include "serpette/torch/nn.hpp"

/// @file
/// Fair ratios on a noisy machine: contestants take turns, and a ratio is taken within each round.

namespace serpette::bench {

struct Contestant {
  std::string name;  ///< Of its counter [ms].
  std::function<void()> work;
  int repeats = 1;  ///< Units of work in one call; times are per unit.
};

/// Runs every contestant once per iteration, in rotating order, after one warm-up of each.
/// Counters: the median time of each, and for all but the first the median over rounds of time ÷
/// the first's time, as `ratio_<name>`, with the quartiles beside it.
inline void rounds(benchmark::State& state, const std::vector<Contestant>& contestants) {
  at::set_num_threads(1);
  using Clock = std::chrono::steady_clock;
  for (const auto& c : contestants) c.work();
  std::vector<std::vector<double>> times(contestants.size());
  std::size_t round = 0;
  for (auto _ : state) {
    double total = 0;
    for (std::size_t k = 0; k < contestants.size(); ++k) {
      const auto i = (k + round) % contestants.size();
      const auto start = Clock::now();
      contestants[i].work();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      times[i].push_back(1e3 * seconds / contestants[i].repeats);
      total += seconds;
    }
    state.SetIterationTime(total);
    ++round;
  }
  state.counters["threads"] = at::get_num_threads();
  for (std::size_t i = 0; i < contestants.size(); ++i) {
    state.counters[contestants[i].name] = median(times[i]);
    if (i == 0) continue;
    std::vector<double> ratios;
    for (std::size_t r = 0; r < round; ++r) ratios.push_back(times[i][r] / times[0][r]);
    std::sort(ratios.begin(), ratios.end());
    state.counters["ratio_" + contestants[i].name] = median(ratios);
    state.counters["ratio_" + contestants[i].name + "_q1"] = ratios[ratios.size() / 4];
    state.counters["ratio_" + contestants[i].name + "_q3"] = ratios[ratios.size() * 3 / 4];
  }
}

/// Gives a network with fresh weights sane activations: batch norm's running statistics become
/// those of `images`.
template <class D>
void calibrate(D& net, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  // One training pass moves the statistics by the tenth part towards the batch's; undo the rest of
  // the mixture.
  std::vector<LayerParameters> layers;
  for (const int i : net.graph().convolutions()) layers.push_back(net.layer(i));
  for (auto& p : layers)
    if (p.gamma.defined()) {
      p.running_mean.zero_();
      p.running_var.zero_();
    }
  net.train(true);
  net.forward(images);
  net.train(false);
  for (auto& p : layers)
    if (p.gamma.defined()) {
      p.running_mean.mul_(10);
      p.running_var.mul_(10);
    }
}

}  // namespace serpette::bench

#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "serpette/study/cell_files.hpp"
#include "serpette/study/store.hpp"

namespace serpette {

namespace detail {
/// Hears nothing, and has the machine alone as another observer has.
template <Observer O>
struct Quiet {
  static constexpr bool is_silent = true;
  O& of;
  [[nodiscard]] auto alone() { return notify::alone(of); }
};
}  // namespace detail

/// Times the networks of a plan's evaluated cells anew, one after the other: where shards ran on
/// several machines, or since inference has become faster, all cells then have times of one
/// machine and one version. Nothing else of their tables changes.
/// @param dispatch  as for `with_keys`.
/// @return  how many cells could not be timed: they are not evaluated, or their network is damaged.
template <Detector D, Dataset Train, Dataset Test, Observer O, class Dispatch>
std::int64_t time_again(const std::vector<PlannedCell>& plan,
                        const Experiment<D, Train, Test>& experiment, const Store& store,
                        O& observer, Dispatch&& dispatch) {
  std::int64_t untimed = 0, seen = 0;
  notify::stage(observer, "timing", std::ssize(plan));
  detail::Quiet<O> quiet{observer};
  for (const auto& cell : plan) {
    const CellFiles files(store.root(), cell);
    const auto trained = files.template read<D>(experiment.device);
    if (trained && files.evaluated()) {
      store.begin();
      dispatch(cell.id.scenario, [&](const auto& scenario) {
        const auto [paper, standard] = cell_times(scenario, experiment, trained->network, quiet);
        files.write(paper, standard);
      });
    } else {
      ++untimed;
    }
    notify::step(observer, ++seen, std::nan(""));
  }
  return untimed;
}

}  // namespace serpette

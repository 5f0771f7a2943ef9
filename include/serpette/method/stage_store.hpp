#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/torch/tensor.hpp"

namespace serpette {

/// What a stage leaves for later ones.
struct StageResult {
  std::vector<at::Tensor> tensors;
  double seconds = 0;           ///< It took when it was computed.
  std::int64_t unreadable = 0;  ///< Training images that had turned out unreadable by then.
};

namespace req {
/// `stage(name, key, compute, waiting)`: what is kept under this name and key, or else what
/// `compute()` gives, kept from now on. `waiting()` is called now and then while another computes
/// it, and may throw to give up.
template <class S>
concept KeepsStages =
    requires(const S& store, std::string_view text, StageResult (*compute)(), void (*waiting)()) {
      { store.stage(text, text, compute, waiting) } -> std::same_as<StageResult>;
    };
}  // namespace req

/// Where the stages of cells are kept, so that a killed run goes on where it was, and cells that
/// share a stage compute it once. `Store` (study/) keeps them in a folder. Where a store has
/// `unfinished(name, key)`, a path, a stage's training is kept there between two steps until the
/// stage is finished; with `find(name, key)` and `drop(name, key)` a cell looks for the last of
/// stages that stand for each other, and forgets those before it.
template <class S>
concept StageStore = req::KeepsStages<S>;

/// Keeps nothing: every stage is computed when it is asked for. For a single cell in a program of
/// one's own.
struct NoStore {
  template <class Compute, class Waiting>
  StageResult stage(std::string_view, std::string_view, Compute&& compute, Waiting&&) const {
    return compute();
  }
};
static_assert(StageStore<NoStore>);

}  // namespace serpette

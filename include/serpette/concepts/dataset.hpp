#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "serpette/core/image_batch.hpp"
#include "serpette/core/seed.hpp"

namespace serpette {

namespace req {
template <class D>
concept HasSize = requires(const D& d) {
  { d.size() } -> std::convertible_to<std::int64_t>;
};
/// `batch(indices)`: letterboxed, not augmented. `augmented(indices, seed)`: a training view; equal seeds, equal views.
template <class D>
concept GivesBatches = requires(const D& d, std::span<const std::int64_t> indices, Seed seed) {
  { d.batch(indices) } -> std::same_as<ImageBatch>;
  { d.augmented(indices, seed) } -> std::same_as<ImageBatch>;
};
}  // namespace req

/// Images with ground truth, by index in {0, …, size() − 1}. Calls from several threads at once are allowed.
template <class D>
concept Dataset = req::HasSize<D> && req::GivesBatches<D>;

}  // namespace serpette

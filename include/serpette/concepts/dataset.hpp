#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "serpette/core/coco.hpp"
#include "serpette/core/image_batch.hpp"
#include "serpette/core/seed.hpp"

namespace serpette {

namespace req {
template <class D>
concept HasSize = requires(const D& d) {
  { d.size() } -> std::convertible_to<std::int64_t>;
};
/// `batch(indices)`: letterboxed, not augmented. `augmented(indices, seed)`: a training view; equal
/// seeds, equal views. For training by several processes also `augmented(indices, seed, share)`:
/// the same views for a share of the batch.
template <class D>
concept GivesBatches = requires(const D& d, std::span<const std::int64_t> indices, Seed seed) {
  { d.batch(indices) } -> std::same_as<ImageBatch>;
  { d.augmented(indices, seed) } -> std::same_as<ImageBatch>;
};
/// `load(index)`: one image, letterboxed, read from where it is stored every time: what a timing of
/// the input measures.
template <class D>
concept LoadsOneImage = requires(const D& d, std::int64_t index) {
  { d.load(index) } -> std::same_as<ImageBatch>;
};
/// `instances()`: the ground truth in COCO's terms; `images[i]` is the image at index i.
template <class D>
concept HasInstances = requires(const D& d) {
  { d.instances() } -> std::convertible_to<const Instances&>;
};
}  // namespace req

/// Images with ground truth, by index in {0, …, size() − 1}. Calls from several threads at once are
/// allowed.
template <class D>
concept Dataset =
    req::HasSize<D> && req::GivesBatches<D> && req::LoadsOneImage<D> && req::HasInstances<D>;

}  // namespace serpette

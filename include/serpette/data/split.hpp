#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"

namespace serpette {

/// The images with these ids and their annotations, in the order of `instances`; all categories
/// stay, so that class indices mean the same.
inline Instances subset(const Instances& instances, const std::unordered_set<std::int64_t>& ids) {
  Instances part{{},
                 {},
                 instances.categories,
                 instances.source,
                 instances.has_image_ids,
                 instances.has_class_order};
  std::ranges::copy_if(instances.images, std::back_inserter(part.images),
                       [&](const CocoImage& image) { return ids.contains(image.id); });
  std::ranges::copy_if(
      instances.annotations, std::back_inserter(part.annotations),
      [&](const CocoAnnotation& annotation) { return ids.contains(annotation.image_id); });
  return part;
}

/// `count` ids drawn without replacement. Each id has its own random rank, so that the draw depends
/// on the set of images alone, not on their order in the file, and a smaller draw is part of a
/// larger one.
/// @return        the drawn ids, ascending.
/// @throws Error  if there are fewer images than `count`.
inline std::vector<std::int64_t> sample_ids(const Instances& instances, std::int64_t count,
                                            Seed seed) {
  const auto size = static_cast<std::int64_t>(instances.images.size());
  require(count >= 0 && count <= size, "sample", "should take between 0 and {} images, got {}",
          size, count);
  std::vector<std::pair<std::uint64_t, std::int64_t>> ranked;
  ranked.reserve(instances.images.size());
  for (const auto& image : instances.images)
    ranked.emplace_back(seed.derive(static_cast<std::uint64_t>(image.id)).value(), image.id);
  std::ranges::sort(ranked);
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(ranked[static_cast<std::size_t>(i)].second);
  std::ranges::sort(ids);
  return ids;
}

/// `count` images drawn by sample_ids.
inline Instances sample(const Instances& instances, std::int64_t count, Seed seed) {
  const auto ids = sample_ids(instances, count, seed);
  return subset(instances, {ids.begin(), ids.end()});
}

struct Split {
  Instances train, test;
};

/// Two disjoint parts by seeded ids; together they are all images.
/// @param test_count  images of the test part.
/// @throws Error      if either part would be empty.
inline Split split(const Instances& instances, std::int64_t test_count, Seed seed) {
  const auto size = static_cast<std::int64_t>(instances.images.size());
  require(test_count >= 1 && test_count < size, "split",
          "should leave at least one image on either side: 1 to {} test images of {}, got {}",
          size - 1, size, test_count);
  const auto ids = sample_ids(instances, test_count, seed);
  const std::unordered_set<std::int64_t> test(ids.begin(), ids.end());
  std::unordered_set<std::int64_t> train;
  for (const auto& image : instances.images)
    if (!test.contains(image.id)) train.insert(image.id);
  return {subset(instances, train), subset(instances, test)};
}

/// The same by fraction, rounded to the nearest count.
/// @param test_fraction  in (0, 1).
inline Split split_fraction(const Instances& instances, double test_fraction, Seed seed) {
  require(test_fraction > 0 && test_fraction < 1, "split",
          "the test fraction should be in (0, 1), got {}", test_fraction);
  return split(instances,
               std::llround(test_fraction * static_cast<double>(instances.images.size())), seed);
}

/// @throws Error  naming the first image that stands in both: testing on what was trained on says
/// nothing.
inline void require_disjoint(const Instances& train, const Instances& test) {
  std::unordered_set<std::int64_t> ids;
  for (const auto& image : train.images) ids.insert(image.id);
  for (const auto& image : test.images)
    require(!ids.contains(image.id), "split",
            "training and test images should be disjoint, got image {} ({}) in both", image.id,
            image.file_name);
}

}  // namespace serpette

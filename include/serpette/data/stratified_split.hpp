#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/data/split.hpp"

namespace serpette {

/// Parts of a data set by fractions, so that each part has its share of the pictures of every
/// class, the rare ones first. The draw depends on the ids and the seed, not on the order of the
/// file. Source: Sechidis, Tsoumakas and Vlahavas 2011, iterative stratification.
/// @param fractions  positive, with the sum 1.
/// @return           disjoint parts, together all pictures; categories stay in each.
/// @throws Error     if the fractions are none, or a part would be empty.
inline std::vector<Instances> stratified_split(const Instances& instances,
                                               std::span<const double> fractions, Seed seed) {
  require(!fractions.empty() && std::ranges::all_of(fractions, [](double f) { return f > 0; }) &&
              std::abs(std::accumulate(fractions.begin(), fractions.end(), 0.0) - 1) < 1e-6,
          "split", "parts should be positive and add up to 1, got {}", fmt::join(fractions, ", "));
  const auto images = instances.images.size(), classes = instances.categories.size(),
             parts = fractions.size();

  // Pictures in the order of their random ranks, with the classes in each.
  std::vector<std::pair<std::uint64_t, std::int64_t>> ranked;
  for (const auto& image : instances.images)
    ranked.emplace_back(seed.derive(static_cast<std::uint64_t>(image.id)).value(), image.id);
  std::ranges::sort(ranked);
  std::unordered_map<std::int64_t, std::size_t> index;
  for (std::size_t i = 0; i < images; ++i) index.emplace(ranked[i].second, i);
  std::vector<std::vector<std::size_t>> labels(images), pictures(classes);
  for (const auto& a : instances.annotations)
    labels[index.at(a.image_id)].push_back(static_cast<std::size_t>(a.category));
  for (std::size_t i = 0; i < images; ++i) {
    std::ranges::sort(labels[i]);
    labels[i].erase(std::unique(labels[i].begin(), labels[i].end()), labels[i].end());
    for (const auto c : labels[i]) pictures[c].push_back(i);
  }

  // What each part still lacks: of pictures, and of those of each class.
  std::vector<double> lacks;
  std::vector<std::vector<double>> lacks_of(classes);
  for (const double f : fractions) {
    lacks.push_back(f * static_cast<double>(images));
    for (std::size_t c = 0; c < classes; ++c)
      lacks_of[c].push_back(f * static_cast<double>(pictures[c].size()));
  }
  std::vector<std::size_t> part_of(images, parts), left(classes);
  for (std::size_t c = 0; c < classes; ++c) left[c] = pictures[c].size();
  const auto give = [&](std::size_t i, std::size_t part) {
    part_of[i] = part;
    --lacks[part];
    for (const auto c : labels[i]) {
      --lacks_of[c][part];
      --left[c];
    }
  };
  const auto neediest = [&](const std::vector<double>* of_class) {
    std::size_t best = 0;
    const auto need = [&](std::size_t p) {
      return std::pair(of_class != nullptr ? (*of_class)[p] : lacks[p], lacks[p]);
    };
    for (std::size_t p = 1; p < parts; ++p)
      if (need(p) > need(best)) best = p;
    return best;
  };
  for (;;) {
    std::size_t rarest = classes;
    for (std::size_t c = 0; c < classes; ++c)
      if (left[c] > 0 && (rarest == classes || left[c] < left[rarest])) rarest = c;
    if (rarest == classes) break;
    for (const auto i : pictures[rarest])
      if (part_of[i] == parts) give(i, neediest(&lacks_of[rarest]));
  }
  for (std::size_t i = 0; i < images; ++i)
    if (part_of[i] == parts) give(i, neediest(nullptr));

  std::vector<std::unordered_set<std::int64_t>> ids(parts);
  for (std::size_t i = 0; i < images; ++i) ids[part_of[i]].insert(ranked[i].second);
  std::vector<Instances> result;
  for (std::size_t p = 0; p < parts; ++p) {
    require(!ids[p].empty(), "split", "each part should have a picture, got none for {} of {}",
            fractions[p], images);
    result.push_back(subset(instances, ids[p]));
  }
  return result;
}

}  // namespace serpette

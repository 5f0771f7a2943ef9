#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace serpette {

/// A box that a head proposes for one class, by its corners in pixels of the original image.
struct Candidate {
  double score = 0;
  int category = 0;
  std::int64_t index = 0;  ///< Order of the prediction in the network: head, anchor, row, column.
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// Class-wise greedy non-maximum suppression, then the best `limit` of all classes.
///
/// Candidates are taken from the best downwards over all classes; one is dropped if its IoU with a
/// kept one of its class exceeds `threshold`. That equals suppression class by class followed by a
/// cut at `limit`, but ends as soon as `limit` are kept: only so many as are looked at are sorted,
/// and a network that fires everywhere (10,647 cells × 80 classes) costs little more than a good
/// one. Equal scores rank by class, then by index.
/// @return  kept candidates, best first. IoU on continuous coordinates.
inline std::vector<Candidate> suppress(const std::vector<Candidate>& candidates, double threshold,
                                       std::size_t limit) {
  struct Key {
    double score;
    std::uint32_t position;
  };
  const auto better = [&](const Key& a, const Key& b) {
    if (a.score != b.score) return a.score > b.score;
    const auto &x = candidates[a.position], &y = candidates[b.position];
    return std::tie(x.category, x.index) < std::tie(y.category, y.index);
  };
  const auto overlaps = [&](const Candidate& a, const Candidate& b) {
    const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
                 h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    const double overlap = std::max(w, 0.0) * std::max(h, 0.0);
    const double joint = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - overlap;
    return joint > 0 && overlap / std::max(joint, 1e-12) > threshold;
  };
  std::vector<Key> keys;
  keys.reserve(candidates.size());
  for (const auto& c : candidates)
    keys.push_back({c.score, static_cast<std::uint32_t>(keys.size())});
  std::vector<Candidate> kept;
  auto chunk = static_cast<std::ptrdiff_t>(std::max<std::size_t>(4 * limit, 256));
  for (auto begin = keys.begin(); begin != keys.end() && kept.size() < limit; chunk *= 2) {
    const auto end = begin + std::min(chunk, keys.end() - begin);
    if (end != keys.end()) std::nth_element(begin, end, keys.end(), better);
    std::sort(begin, end, better);
    for (; begin != end && kept.size() < limit; ++begin) {
      const auto& best = candidates[begin->position];
      if (std::none_of(kept.begin(), kept.end(), [&](const Candidate& k) {
            return k.category == best.category && overlaps(k, best);
          }))
        kept.push_back(best);
    }
  }
  return kept;
}

}  // namespace serpette

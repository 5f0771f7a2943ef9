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
/// cut at `limit`, but ends as soon as `limit` are kept: a network that fires everywhere (10,647
/// cells × 80 classes) costs little more than a good one. Equal scores rank by class, then by
/// index.
/// @return  kept candidates, best first. IoU on continuous coordinates.
inline std::vector<Candidate> suppress(std::vector<Candidate> candidates, double threshold,
                                       std::size_t limit) {
  const auto worse = [](const Candidate& a, const Candidate& b) {
    return std::tie(a.score, b.category, b.index) < std::tie(b.score, a.category, a.index);
  };
  const auto overlaps = [&](const Candidate& a, const Candidate& b) {
    const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
                 h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    const double overlap = std::max(w, 0.0) * std::max(h, 0.0);
    const double joint = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - overlap;
    return joint > 0 && overlap / std::max(joint, 1e-12) > threshold;
  };
  std::make_heap(candidates.begin(), candidates.end(), worse);
  std::vector<Candidate> kept;
  for (auto end = candidates.end(); end != candidates.begin() && kept.size() < limit; --end) {
    std::pop_heap(candidates.begin(), end, worse);
    const auto& best = *(end - 1);
    if (std::none_of(kept.begin(), kept.end(), [&](const Candidate& k) {
          return k.category == best.category && overlaps(k, best);
        }))
      kept.push_back(best);
  }
  return kept;
}

}  // namespace serpette

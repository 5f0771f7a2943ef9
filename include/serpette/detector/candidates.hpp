#pragma once

/// @file
/// How raw heads become boxes, one image at a time. No LibTorch.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/detector/decode_options.hpp"
#include "serpette/detector/nms.hpp"
#include "serpette/detector/passing_kernels.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// One head's logits of one image, [A·(5 + C), h·w]: planes, or channels-last.
struct HeadLogits {
  const float* data;
  std::int64_t channel_stride, cell_stride;

  [[nodiscard]] const float* at(std::int64_t channel, std::int64_t cell) const {
    return data + channel * channel_stride + cell * cell_stride;
  }
};

namespace detail {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// How many times its anchor a box is wide or high, by the head's logit of it.
inline double growth(bool new_coords, double logit) {
  return new_coords ? 4 * sigmoid(logit) * sigmoid(logit) : std::exp(logit);
}

/// eˣ to a few 10⁻⁷ of itself for |x| ≤ 87, of the nearer end beyond: Cephes' polynomial, without a
/// branch.
inline float rough_exp(float x) {
  x = std::min(std::max(x, -87.0F), 87.0F);
  const auto n = static_cast<std::int32_t>(x * 1.44269504F + (x < 0 ? -0.5F : 0.5F));
  const auto m = static_cast<float>(n);
  const float r = x - m * 0.693359375F + m * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  for (const float c :
       {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 0.5F})
    p = p * r + c;
  return (p * r * r + r + 1) * std::bit_cast<float>((n + 127) << 23);
}

}  // namespace detail

/// What the heads propose for one image, and the detections among it.
///
/// Most cells hold nothing, of the others most classes do not, and of what is proposed little comes
/// to be looked at. So logits are compared with floors as they lie in memory, what passes is ranked
/// by rough scores, and exact scores and boxes are computed of the best alone: as many as
/// suppression looks at. The result is that of the exact scores of all. Buffers are kept from image
/// to image.
class Candidates {
 public:
  /// Begins another image.
  /// @param confidence  a class of a prediction counts where its score exceeds it.
  void begin(double confidence) {
    confidence_ = confidence;
    anchors_.clear();
    predictions_.clear();
    proposals_.clear();
  }

  /// Adds the image's next head.
  void add(const HeadLogits& logits, const Yolo& head, const Shape& grid) {
    std::int64_t first = 0;  // channel of the anchor
    for (const int anchor : head.mask) {
      const auto [width, height] = head.anchors[static_cast<std::size_t>(anchor)];
      anchors_.push_back({width, height, head.scale_x_y, head.new_coords, grid});
      const auto begin = predictions_.size();
      const auto cells = std::int64_t{grid.height} * grid.width;
      add_predictions(logits, first, cells);
      if (logits.channel_stride == 1)
        propose_by_cells(logits, first + 5, head.classes, begin);
      else
        propose_by_planes(logits, first + 5, head.classes, cells, begin);
      first += 5 + head.classes;
    }
  }

  /// What is left behind class-wise suppression, best first, in pixels of the original image.
  [[nodiscard]] std::vector<Detection> best(const Letterbox& geometry, std::int64_t image_id,
                                            double nms, std::size_t limit) {
    const auto box = [&](std::uint32_t prediction) { return box_of(prediction, geometry); };
    limit = std::min(limit, proposals_.size());                // of any size: 6 of it may not wrap
    const auto enough = 6 * std::max<std::size_t>(limit, 64);  // unless most are suppressed
    kept_ = suppress(exact(enough), box, nms, limit, std::move(kept_));
    if (kept_.size() < limit && enough < proposals_.size())
      kept_ = suppress(exact(proposals_.size()), box, nms, limit, std::move(kept_));
    std::vector<Detection> found;
    found.reserve(kept_.size());
    for (const auto& [c, b] : kept_)
      found.push_back({image_id, c.category, c.score, {b.x1, b.y1, b.x2 - b.x1, b.y2 - b.y1}});
    return found;
  }

 private:
  struct Anchor {
    float width, height;  // [pixels of the canvas]
    float scale_x_y;
    bool new_coords;
    Shape grid;
  };
  /// One whose objectness alone exceeds the confidence.
  struct Prediction {
    std::array<float, 5> logits;  // tx, ty, tw, th, objectness
    float rough_objectness;
    float class_floor;  // A class logit below it fails for certain.
    std::uint32_t anchor;
    std::int64_t cell;
  };
  /// A class that may pass.
  struct Proposal {
    float logit, rough_objectness;
    std::uint32_t prediction;
    std::int32_t category;
  };

  // A rough score is off by less than this share of itself, or than kTiny.
  static constexpr double kRough = 1e-5, kTiny = 1e-35;

  /// Logit below which sigmoid(x) ≤ p for certain: a little low.
  static double logit_floor(double p) {
    if (p <= 0) return -INFINITY;
    if (p >= 1) return INFINITY;
    return std::log(p / (1 - p)) - 1e-9;
  }
  /// The same of a class, whose sigmoid is to reach confidence ÷ objectness.
  [[nodiscard]] float class_floor(float logit, float rough_objectness) const {
    const auto confidence = static_cast<float>(confidence_);
    const float above = rough_objectness - confidence;
    if (confidence > 1e-30F && above > 1e-2F * rough_objectness)
      return std::log(confidence / above) - 5e-3F;
    const auto floor = static_cast<float>(logit_floor(confidence_ / detail::sigmoid(logit)));
    return std::nextafter(floor, -INFINITY);
  }

  void add_predictions(const HeadLogits& logits, std::int64_t first, std::int64_t cells) {
    const double floor = logit_floor(confidence_);
    const auto anchor = static_cast<std::uint32_t>(anchors_.size() - 1);
    for (std::int64_t cell = 0; cell < cells; ++cell) {
      const float objectness = *logits.at(first + 4, cell);
      if (!(objectness > floor)) continue;
      const float rough = 1 / (1 + detail::rough_exp(-objectness));
      const auto at = [&](std::int64_t k) { return *logits.at(first + k, cell); };
      predictions_.push_back({{at(0), at(1), at(2), at(3), objectness},
                              rough,
                              class_floor(objectness, rough),
                              anchor,
                              cell});
    }
  }

  /// Cell by cell.
  void propose_by_cells(const HeadLogits& logits, std::int64_t first, int classes,
                        std::size_t begin) {
    const auto& kernels = detail::passing_kernels_here();
    passing_.resize(static_cast<std::size_t>(classes));
    for (auto p = begin; p < predictions_.size(); ++p) {
      const float* of_classes = logits.at(first, predictions_[p].cell);
      const auto count =
          kernels.above(of_classes, passing_.size(), predictions_[p].class_floor, passing_.data());
      for (std::size_t i = 0; i < count; ++i)
        propose(p, static_cast<int>(passing_[i]), of_classes[passing_[i]]);
    }
  }

  /// Class by class, as planes lie.
  void propose_by_planes(const HeadLogits& logits, std::int64_t first, int classes,
                         std::int64_t cells, std::size_t begin) {
    const auto& kernels = detail::passing_kernels_here();
    const auto size = static_cast<std::size_t>(cells);
    passing_.resize(size);
    floors_.assign(size, INFINITY);
    number_.resize(size);
    for (auto p = begin; p < predictions_.size(); ++p) {
      const auto cell = static_cast<std::size_t>(predictions_[p].cell);
      floors_[cell] = predictions_[p].class_floor;
      number_[cell] = p;
    }
    for (int k = 0; k < classes; ++k) {
      const float* plane = logits.at(first + k, 0);
      const auto count = kernels.above_each(plane, size, floors_.data(), passing_.data());
      for (std::size_t i = 0; i < count; ++i) propose(number_[passing_[i]], k, plane[passing_[i]]);
    }
  }

  void propose(std::size_t prediction, int category, float logit) {
    proposals_.push_back({logit, predictions_[prediction].rough_objectness,
                          static_cast<std::uint32_t>(prediction), category});
  }

  /// The best of the proposals that exceed the confidence, with their exact scores: no other is as
  /// good as any of these. At most `wanted`; all, if there are no more.
  [[nodiscard]] std::span<Candidate> exact(std::size_t wanted) {
    ranked_.resize(proposals_.size());
    for (std::size_t i = 0; i < proposals_.size(); ++i) {
      const Proposal& p = proposals_[i];
      const float rough = p.rough_objectness / (1 + detail::rough_exp(-p.logit));
      ranked_[i] = std::uint64_t{std::bit_cast<std::uint32_t>(rough)} << 32 | i;  // as floats rank
    }
    double least = -INFINITY;  // that the exact score has of what is not among the first
    if (wanted < ranked_.size()) {
      const auto last = ranked_.begin() + static_cast<std::ptrdiff_t>(wanted);
      std::nth_element(ranked_.begin(), last, ranked_.end(), std::greater<>());
      const double rough = std::bit_cast<float>(static_cast<std::uint32_t>(*last >> 32));
      least = rough * (1 + kRough) + kTiny;
      ranked_.erase(last, ranked_.end());
    }
    candidates_.clear();
    for (const auto key : ranked_) {
      const Proposal& p = proposals_[key & 0xffffffffU];
      const double score =
          detail::sigmoid(predictions_[p.prediction].logits[4]) * detail::sigmoid(p.logit);
      if (score > confidence_ && score > least)
        candidates_.push_back({score, p.category, p.prediction});
    }
    return candidates_;
  }

  /// No box where the network has diverged.
  [[nodiscard]] std::optional<Corners> box_of(std::uint32_t prediction,
                                              const Letterbox& geometry) const {
    const Prediction& p = predictions_[prediction];
    const Anchor& anchor = anchors_[p.anchor];
    const double scale = anchor.scale_x_y;
    const auto centre = [&](float t) { return scale * detail::sigmoid(t) - (scale - 1) / 2; };
    const auto [tx, ty, tw, th, objectness] = p.logits;
    const auto& [channels, height, width] = anchor.grid;
    const auto row = p.cell / width, column = p.cell % width;
    const double cx = (centre(tx) + double(column)) / width * geometry.canvas_width,
                 cy = (centre(ty) + double(row)) / height * geometry.canvas_height;
    const double w = detail::growth(anchor.new_coords, tw) * anchor.width,
                 h = detail::growth(anchor.new_coords, th) * anchor.height;
    if (std::isnan(cx + cy) || std::isnan(w) || std::isnan(h)) return {};
    const double sx = double(geometry.image_width) / geometry.width,
                 sy = double(geometry.image_height) / geometry.height;
    const auto to_x = [&](double x) {
      return std::clamp((x - geometry.left) * sx, 0.0, double(geometry.image_width));
    };
    const auto to_y = [&](double y) {
      return std::clamp((y - geometry.top) * sy, 0.0, double(geometry.image_height));
    };
    return Corners{to_x(cx - w / 2), to_y(cy - h / 2), to_x(cx + w / 2), to_y(cy + h / 2)};
  }

  double confidence_ = 0;
  // Of the heads so far, in the network's order: head, anchor, row, column.
  std::vector<Anchor> anchors_;
  std::vector<Prediction> predictions_;
  std::vector<Proposal> proposals_;
  // Of an anchor: places of what passes; by cell, a class's floor and the prediction's number.
  std::vector<std::uint32_t> passing_;
  std::vector<float> floors_;
  std::vector<std::size_t> number_;
  std::vector<std::uint64_t> ranked_;  // rough score and place of a proposal
  std::vector<Candidate> candidates_;
  std::vector<KeptCandidate> kept_;
};

}  // namespace serpette

#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <range/v3/view/zip.hpp>

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/detector/head_loss.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// What is decided about a batch before its loss is differentiated; one entry per head.
using Assignment = std::vector<HeadAssignment>;

/// What truths alone decide of an assignment: an attack asks for it once, whatever its steps make
/// of the logits.
struct Matches {
  Assignment positives;             ///< Without background.
  at::Tensor boxes;                 ///< [M, 6] the truths with an area.
  std::vector<at::Tensor> anchors;  ///< By head, [1, A, 2, 1, 1] in pixels of the canvas.
  std::int64_t images = 0;          ///< N
};

/// Darknet's YOLOv3 loss:
///   box         Σ (2 − w·h)·[s·BCE(σ(tx), t̂x) + s·BCE(σ(ty), t̂y) + ½(tw − t̂w)² + ½(th − t̂h)²]
///   objectness  Σ BCE(σ(o), 1) over positives + Σ BCE(σ(o), 0) over the background
///   classes     Σ_c BCE(σ(class_c), c is a truth's)
/// box and classes over positives; with the head's `new_coords` σ(tw) and σ(th) stand for tw and
/// th, and t̂w = √(w / 4·anchor), at most 1. s is the head's `scale_x_y`, and t̂x is what σ(tx) is
/// where the predicted centre is the truth's. At each head a truth belongs to the anchor of the
/// head's list whose shape fits it best, in the cell that holds its centre. If the head predicts
/// that anchor, the prediction is positive (of two heads that do, both are); if no head does, the
/// truth has no positive, and what the cfg leaves out of every mask goes unlearnt. Where two truths
/// meet, the box is the later one's and the classes are both's. Background is every other
/// prediction whose IoU with each truth of its image is at most `ignore_thresh`. Source: darknet,
/// src/yolo_layer.c.
class YoloLoss {
 public:
  /// @throws Error  if the graph has no head.
  explicit YoloLoss(const Graph& graph) : canvas_(graph.input) {
    for (const int i : graph.heads()) {
      const auto& yolo = graph.head(i);
      Head head{graph[i].name,   graph[i].output,    {},
                yolo.classes,    yolo.ignore_thresh, yolo.scale_x_y,
                yolo.new_coords, yolo.anchors,       {}};
      for (const int m : yolo.mask)
        head.anchors.push_back(yolo.anchors[static_cast<std::size_t>(m)]);
      for (int anchor = 0; anchor < static_cast<int>(yolo.anchors.size()); ++anchor) {
        const auto found = std::ranges::find(yolo.mask, anchor);
        head.slot_of_anchor.push_back(found == yolo.mask.end() ? -1 : found - yolo.mask.begin());
      }
      heads_.push_back(std::move(head));
    }
    require(!heads_.empty(), "network", "should have at least one [yolo] head, got none");
  }

  /// Decides who is positive, background or ignored, without gradient, and the same every time.
  /// What truths alone decide is decided on the CPU, so that no GPU is waited for at every number.
  /// @param heads  raw logits [N, A·(5 + C), h, w].
  /// @param truth  [M, 6] as in ImageBatch. Rows without area are left out.
  /// @throws Error  if shapes do not fit or a class is not one of the network's.
  [[nodiscard]] Assignment assign(const std::vector<at::Tensor>& heads,
                                  const at::Tensor& truth) const {
    require_heads(heads);
    return assign(heads, match(truth, heads.front().size(0), heads.front().options()));
  }

  /// As above; of the heads only the background is made.
  [[nodiscard]] Assignment assign(const std::vector<at::Tensor>& heads,
                                  const Matches& matches) const {
    const torch::NoGradGuard no_grad;
    require_heads(heads);
    require(heads.front().size(0) == matches.images, "heads", "should have {} images, got {}",
            matches.images, heads.front().size(0));
    const auto image = matches.boxes.select(1, 0).to(at::kLong);
    auto result = matches.positives;
    for (auto&& [a, logits, head, anchors] :
         ranges::views::zip(result, heads, heads_, matches.anchors)) {
      a.background = background(split(logits, head), head, anchors, matches.boxes, image);
      // As a tensor of the device: a number would be sent there.
      a.background.index_put_({a.image, a.slot, a.row, a.column},
                              at::zeros({}, a.background.options()));
    }
    return result;
  }

  /// Which predictions answer for which truths of a batch of N images.
  /// @param truth  [M, 6] as in ImageBatch. Rows without area are left out.
  /// @param like   device and type of the heads.
  /// @throws Error  if the shape does not fit, or an image or a class is none of the batch's or the
  /// network's.
  [[nodiscard]] Matches match(const at::Tensor& truth, std::int64_t images,
                              const at::TensorOptions& like) const {
    const torch::NoGradGuard no_grad;
    const auto t = usable(truth, images, c10::typeMetaToScalarType(like.dtype()));
    const auto image = t.select(1, 0).to(at::kLong), category = t.select(1, 1).to(at::kLong);
    Matches result{{}, t.to(like.device()), anchors(t.options(), like.device()), images};
    for (const auto& head : heads_) {
      const auto slots = at::tensor(head.slot_of_anchor, t.options().dtype(at::kLong))
                             .index({best_anchor(t, head)});
      const auto column =
          t.select(1, 2).mul(head.grid.width).to(at::kLong).clamp(0, head.grid.width - 1);
      const auto row =
          t.select(1, 3).mul(head.grid.height).to(at::kLong).clamp(0, head.grid.height - 1);
      const auto [mine, rows, winner] = winners(image, slots, row, column, images, head);
      HeadAssignment a{image.index({mine}),
                       slots.index({mine}),
                       row.index({mine}),
                       column.index({mine}),
                       {},
                       {},
                       at::zeros({mine.size(0), head.classes}, t.options()),
                       {}};
      a.classes.index_put_({winner, category.index({rows})}, 1);
      const auto box = t.index({mine}).narrow(1, 2, 4);
      const auto anchor = at::tensor(flat(head.anchors), t.options()).view({-1, 2}).index({a.slot});
      a.scale_x_y = head.scale_x_y;
      a.new_coords = head.new_coords;
      const auto centre = [&](const at::Tensor& place) {
        return (place + (head.scale_x_y - 1) / 2) / head.scale_x_y;
      };
      const auto side = [&](const at::Tensor& growth) {
        return head.new_coords ? (growth / 4).sqrt().clamp_max(1) : growth.log();
      };
      a.box = at::stack({centre(box.select(1, 0) * head.grid.width - a.column),
                         centre(box.select(1, 1) * head.grid.height - a.row),
                         side(box.select(1, 2) * canvas_.width / anchor.select(1, 0)),
                         side(box.select(1, 3) * canvas_.height / anchor.select(1, 1))},
                        1);
      a.box_weight = 2 - box.select(1, 2) * box.select(1, 3);
      result.positives.push_back(std::move(a).to(like.device()));
    }
    return result;
  }

  /// The loss by part and image, given who answers for what; differentiable by the heads.
  [[nodiscard]] DetectionLoss operator()(const std::vector<at::Tensor>& heads,
                                         const Assignment& assignment) const {
    require_heads(heads);
    const auto n = heads.front().size(0);
    DetectionLoss loss{at::zeros({n}, heads.front().options()),
                       at::zeros({n}, heads.front().options()),
                       at::zeros({n}, heads.front().options())};
    for (auto&& [logits, head, assigned] : ranges::views::zip(heads, heads_, assignment)) {
      const auto parts =
          detail::HeadLoss::apply(logits, static_cast<std::int64_t>(head.anchors.size()), assigned);
      loss.box = loss.box + parts[0];
      loss.objectness = loss.objectness + parts[1];
      loss.classes = loss.classes + parts[2];
    }
    return loss;
  }

  /// Σ softplus(sign·objectness) of each image [N]: the distance of all objectness to 0 (sign = 1)
  /// or 1 (sign = −1).
  [[nodiscard]] at::Tensor all_objectness(const std::vector<at::Tensor>& heads, double sign) const {
    require_heads(heads);
    auto sum = at::zeros({heads.front().size(0)}, heads.front().options());
    for (auto&& [logits, head] : ranges::views::zip(heads, heads_))
      sum = sum + at::softplus(split(logits, head).select(2, 4) * sign).sum({1, 2, 3});
    return sum;
  }

  /// ∂t/∂logits of the attribution target t, a sum of logits of all positives: 0 or 1. (Nothing for
  /// the loss and for parts.)
  [[nodiscard]] std::vector<at::Tensor> targets(const std::vector<at::Tensor>& heads,
                                                const Assignment& assignment,
                                                Target target = Target::kDetection) const {
    std::vector<at::Tensor> ones;
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      const auto& a = assignment[h];
      ones.push_back(at::zeros_like(heads[h].detach()));
      auto places = split(ones.back(), heads_[h]);
      const auto explain = [&](const at::Tensor& logit) {
        places.index_put_({a.image, a.slot, logit, a.row, a.column}, 1);
      };
      for (const int logit : explained_logits(target, heads_[h].classes))
        explain(at::full_like(a.slot, logit));
      if (explains_true_class(target))
        places.permute({0, 1, 3, 4, 2})
            .narrow(4, 5, heads_[h].classes)
            .index_put_({a.image, a.slot, a.row, a.column}, a.classes.to(places.scalar_type()));
    }
    return ones;
  }

  /// ∂(Σ loss over images)/∂logits, given who answers for what.
  [[nodiscard]] std::vector<at::Tensor> gradients(const std::vector<at::Tensor>& heads,
                                                  const Assignment& assignment) const {
    const at::AutoGradMode with_grad(true);
    std::vector<at::Tensor> leaves;
    for (const auto& head : heads)
      leaves.push_back(head.detach().contiguous().clone().requires_grad_());
    const auto loss = (*this)(leaves, assignment);
    return torch::autograd::grad({loss.box.add(loss.objectness).add(loss.classes).sum()}, leaves);
  }

  /// For each positive the class its prediction holds least likely, other than the true ones:
  /// [K, C] per head, 1 at that class, for `HeadAssignment::classes`. Where all classes are true
  /// ones, as the only class of a network is, 0 everywhere: any name would be a right one.
  [[nodiscard]] std::vector<at::Tensor> least_likely(const std::vector<at::Tensor>& heads,
                                                     const Assignment& assignment) const {
    std::vector<at::Tensor> categories;
    for (auto&& [logits, head, a] : ranges::views::zip(heads, heads_, assignment)) {
      auto classes =
          detail::at_positives(split(logits.detach(), head), a).narrow(1, 5, head.classes).clone();
      classes.masked_fill_(a.classes.gt(0), std::numeric_limits<float>::max());
      categories.push_back(at::one_hot(classes.argmin(1), head.classes)
                               .mul(a.classes.eq(0).any(1, true))
                               .to(a.classes.scalar_type()));
    }
    return categories;
  }

 private:
  struct Head {
    std::string name;
    Shape grid;
    std::vector<std::array<float, 2>> anchors;  // [pixels of the canvas], by slot
    int classes;
    float ignore_thresh;
    double scale_x_y;
    bool new_coords;
    std::vector<std::array<float, 2>> all_anchors;  // of the cfg's list
    std::vector<std::int64_t> slot_of_anchor;       // by index into it; −1: not this head's
  };

  static std::vector<double> flat(const std::vector<std::array<float, 2>>& anchors) {
    std::vector<double> numbers;
    for (const auto& [w, h] : anchors) numbers.insert(numbers.end(), {w, h});
    return numbers;
  }

  /// [N, A, 5 + C, h, w], a view whatever the memory format.
  static at::Tensor split(const at::Tensor& head, const Head& h) {
    return head.unflatten(1, {static_cast<std::int64_t>(h.anchors.size()), 5 + h.classes});
  }

  void require_heads(const std::vector<at::Tensor>& heads) const {
    require(heads.size() == heads_.size(), "heads", "should be {} as the network has, got {}",
            heads_.size(), heads.size());
    for (auto&& [logits, head] : ranges::views::zip(heads, heads_)) {
      const auto& grid = head.grid;
      require(logits.dim() == 4 && logits.size(0) == heads.front().size(0) &&
                  logits.size(1) == grid.channels && logits.size(2) == grid.height &&
                  logits.size(3) == grid.width,
              head.name, "shape should be [{}, {}, {}, {}], got [{}]", heads.front().size(0),
              grid.channels, grid.height, grid.width, fmt::join(logits.sizes().vec(), ", "));
    }
  }

  /// The heads' anchors, sent as one tensor.
  [[nodiscard]] std::vector<at::Tensor> anchors(const at::TensorOptions& numbers,
                                                at::Device device) const {
    std::vector<double> all;
    std::vector<std::int64_t> counts;
    for (const auto& head : heads_) {
      const auto mine = flat(head.anchors);
      all.insert(all.end(), mine.begin(), mine.end());
      counts.push_back(static_cast<std::int64_t>(mine.size()));
    }
    auto parts = at::tensor(all, numbers).to(device).split_with_sizes(counts);
    for (auto& part : parts) part = part.view({1, -1, 2, 1, 1});
    return parts;
  }

  /// The truths with an area, in the precision of the heads, on the CPU.
  [[nodiscard]] at::Tensor usable(const at::Tensor& truth, std::int64_t images,
                                  at::ScalarType precision) const {
    require(truth.dim() == 2 && truth.size(1) == 6, "truth",
            "shape should be [M, 6] (image, class, cx, cy, w, h), got [{}]",
            fmt::join(truth.sizes().vec(), ", "));
    auto t = truth.to(at::kCPU, precision);
    if (t.size(0) == 0) return t;
    const auto top_class = t.select(1, 1).max().item<double>(),
               top_image = t.select(1, 0).max().item<double>();
    require(top_class < heads_.front().classes && t.narrow(1, 0, 2).min().item<double>() >= 0,
            "truth", "class should be in 0 to {} as the network's, got {}",
            heads_.front().classes - 1, top_class);
    require(top_image < static_cast<double>(images), "truth", "image should be in 0 to {}, got {}",
            images - 1, top_image);
    return t.index({t.select(1, 4).gt(0).logical_and(t.select(1, 5).gt(0))});
  }

  /// [M] index into the head's list of the best shape IoU; the first of equals.
  [[nodiscard]] at::Tensor best_anchor(const at::Tensor& t, const Head& head) const {
    const auto anchors = at::tensor(flat(head.all_anchors), t.options()).view({-1, 2});
    const auto w = t.select(1, 4).unsqueeze(1) * canvas_.width,
               h = t.select(1, 5).unsqueeze(1) * canvas_.height;
    const auto aw = anchors.select(1, 0), ah = anchors.select(1, 1);
    const auto overlap = at::minimum(w, aw) * at::minimum(h, ah);
    return (overlap / (w * h + aw * ah - overlap)).argmax(1);
  }

  /// Of the truths this head answers for: the last one in each place, all of them, and which of the
  /// former is in each one's place.
  struct Winners {
    at::Tensor last;   // [K] rows of the truth
    at::Tensor all;    // [R] rows of the truth
    at::Tensor where;  // [R] index into `last`
  };
  static Winners winners(const at::Tensor& image, const at::Tensor& slots, const at::Tensor& row,
                         const at::Tensor& column, std::int64_t images, const Head& head) {
    const auto rows = slots.ge(0).nonzero().squeeze(1);
    const auto anchors = static_cast<std::int64_t>(head.anchors.size());
    const auto places =
        ((image * anchors + slots) * head.grid.height + row) * head.grid.width + column;
    const auto place = places.index({rows});
    const auto total = images * anchors * head.grid.height * head.grid.width;
    const auto last = at::full({total}, -1, rows.options()).scatter_reduce(0, place, rows, "amax");
    const auto winner = last.index({place});  // [R] row of the truth that has the place in the end
    const auto mine = rows.index({winner.eq(rows)});
    auto position = at::full({slots.size(0)}, -1, rows.options());
    position.index_put_({mine}, at::arange(mine.size(0), rows.options()));
    return {mine, rows, position.index({winner})};
  }

  /// [N, A, h, w]: 1 where no truth of the image overlaps the predicted box by more than
  /// ignore_thresh.
  [[nodiscard]] at::Tensor background(const at::Tensor& logits, const Head& head,
                                      const at::Tensor& anchors, const at::Tensor& t,
                                      const at::Tensor& image) const {
    const auto n = logits.size(0), a = logits.size(1), height = logits.size(3),
               width = logits.size(4);
    if (t.size(0) == 0) return at::ones({n, a, height, width}, t.options());
    const auto column = at::arange(width, t.options()),
               row = at::arange(height, t.options()).view({-1, 1});
    // Corners [N, P] of all predictions, P = A·h·w, as fractions of the canvas.
    const auto growth = [&](int logit) {
      const auto t = logits.select(2, logit);
      return head.new_coords ? t.sigmoid().square() * 4 : t.exp();
    };
    const auto half_w = (growth(2) * anchors.select(2, 0) / (2 * canvas_.width)).reshape({n, -1});
    const auto half_h = (growth(3) * anchors.select(2, 1) / (2 * canvas_.height)).reshape({n, -1});
    const auto centre = [&](int logit) {
      return logits.select(2, logit).sigmoid() * head.scale_x_y - (head.scale_x_y - 1) / 2;
    };
    const auto cx = ((centre(0) + column) / width).reshape({n, -1});
    const auto cy = ((centre(1) + row) / height).reshape({n, -1});
    const auto x1 = cx - half_w, x2 = cx + half_w, y1 = cy - half_h, y2 = cy + half_h,
               area = 4 * half_w * half_h;
    auto hits = at::zeros({n, x1.size(1)}, t.options());
    const std::int64_t rows_at_once =
        std::max<std::int64_t>(1, (std::int64_t{1} << 20) / x1.size(1));
    for (std::int64_t begin = 0; begin < t.size(0); begin += rows_at_once) {
      const auto length = std::min(rows_at_once, t.size(0) - begin);
      const auto who = image.narrow(0, begin, length);
      const auto b = t.narrow(0, begin, length).narrow(1, 2, 4);
      const auto part = [&](int k) { return b.select(1, k).unsqueeze(1); };
      const auto low = [&](int k) { return part(k) - part(k + 2) / 2; };
      const auto high = [&](int k) { return part(k) + part(k + 2) / 2; };
      auto overlap = at::minimum(x2.index_select(0, who), high(0))
                         .sub_(at::maximum(x1.index_select(0, who), low(0)));
      overlap.clamp_min_(0).mul_(at::minimum(y2.index_select(0, who), high(1))
                                     .sub_(at::maximum(y1.index_select(0, who), low(1)))
                                     .clamp_min_(0));
      const auto joint = area.index_select(0, who).add_(part(2) * part(3)).sub_(overlap);
      hits.index_add_(0, who, overlap.gt(joint.mul_(head.ignore_thresh)).to(t.scalar_type()));
    }
    return hits.eq(0).to(t.scalar_type()).view({n, a, height, width});
  }

  Shape canvas_;
  std::vector<Head> heads_;
};

}  // namespace serpette

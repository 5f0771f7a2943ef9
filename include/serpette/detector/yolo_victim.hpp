#pragma once

#include <ATen/ops/maximum.h>
#include <range/v3/view/zip.hpp>

#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "serpette/concepts/attack.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/truth.hpp"
#include "serpette/detector/decode.hpp"
#include "serpette/detector/loss.hpp"
#include "serpette/nn/frozen.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// Confidence from which on a box counts as the detector's own, TOG's (Chow et al. 2020, code).
inline constexpr double kOwnConfidence = 0.2;

/// A YOLOv3 frozen in evaluation mode, as an attack sees it: a Victim's answers.
class YoloVictim {
 public:
  /// @param truth  [M, 6] as in ImageBatch, on the network's device.
  YoloVictim(std::shared_ptr<const FrozenNetwork> network, std::shared_ptr<const YoloLoss> loss,
             at::Tensor truth)
      : network_(std::move(network)), loss_(std::move(loss)), truth_(std::move(truth)) {}

  /// The loss that the aim raises, per image [N]; differentiable by the images.
  [[nodiscard]] at::Tensor value(const at::Tensor& images, const Aim& aim) const {
    const auto heads = network_->forward(images);
    const auto weighted = [&](const Assignment& assignment) {
      const auto parts = (*loss_)(heads, assignment);
      return aim.box * parts.box + aim.objectness * parts.objectness + aim.classes * parts.classes;
    };
    switch (aim.goal) {
      case Aim::Goal::kVanish:
        return -aim.objectness * loss_->all_objectness(heads, 1);
      case Aim::Goal::kFabricate:
        return -aim.objectness * loss_->all_objectness(heads, -1);
      case Aim::Goal::kMislabel: {
        auto assignment = assign(heads, aim);
        for (auto&& [head, classes] : ranges::views::zip(assignment, least_likely_))
          head.classes = classes;
        return -weighted(assignment);
      }
      case Aim::Goal::kEvade:
        return -margins(heads, assign(heads, aim));
      case Aim::Goal::kTruth:
        break;
    }
    return weighted(assign(heads, aim));
  }

  /// With what these images decide, and the truths: boxes matched, own detections and least likely
  /// classes.
  [[nodiscard]] YoloVictim facing(const at::Tensor& clean, const Aim& aim) const {
    const torch::NoGradGuard no_grad;
    auto faced = *this;
    faced.clean_ = clean;
    faced.aim_ = aim;
    faced.matches_.reset();
    std::vector<at::Tensor> heads;
    if (aim.needs_clean()) heads = network_->forward(clean);
    if (aim.needs_clean() && aim.own) {
      const auto& in = network_->graph().input;
      const auto n = static_cast<std::size_t>(clean.size(0));
      const ImageBatch canvas{
          {},
          {},
          std::vector<std::int64_t>(n),
          std::vector<Letterbox>(n, Letterbox::fit(in.width, in.height, in.width, in.height))};
      faced.own_ =
          as_truth(decode(network_->graph(), heads, canvas, {.confidence = kOwnConfidence}),
                   in.width, in.height)
              .to(truth_.options());
    }
    if (aim.has_boxes())
      faced.matches_ = loss_->match(aim.own ? faced.own_ : truth_, clean.size(0), clean.options());
    if (aim.needs_clean())
      faced.least_likely_ = loss_->least_likely(heads, faced.matches_->positives);
    return faced;
  }

  /// For some of the images.
  [[nodiscard]] YoloVictim only(const at::Tensor& rows) const {
    YoloVictim some(network_, loss_, truth_of_images(truth_, rows));
    return clean_.defined() ? some.facing(clean_.index_select(0, rows), aim_) : some;
  }

 private:
  [[nodiscard]] const at::Tensor& boxes(const Aim& aim) const {
    require(!aim.needs_clean() || (!least_likely_.empty() && (!aim.own || own_.defined())),
            "attack", "should face the clean images before it aims at {} (Victim::facing)",
            aim.own ? "the detector's own boxes" : "the least likely classes");
    return aim.own ? own_ : truth_;
  }

  /// Who answers for what; the boxes are those it faces.
  [[nodiscard]] Assignment assign(const std::vector<at::Tensor>& heads, const Aim& aim) const {
    return matches_ && aim.own == aim_.own ? loss_->assign(heads, *matches_)
                                           : loss_->assign(heads, boxes(aim));
  }

  /// Σ over positive predictions of max(0, min(objectness, its best true class over the best
  /// other)), logits, [N].
  static at::Tensor margins(const std::vector<at::Tensor>& heads, const Assignment& assignment) {
    auto sum = at::zeros({heads.front().size(0)}, heads.front().options());
    for (auto&& [head, a] : ranges::views::zip(heads, assignment)) {
      const auto slots = a.background.size(1);
      const auto p = detail::at_positives(head.unflatten(1, {slots, head.size(1) / slots}), a);
      const auto classes = p.slice(1, 5), right = a.classes.to(at::kBool);
      const auto best = [&](const at::Tensor& left_out) {
        return classes.masked_fill(left_out, -std::numeric_limits<double>::infinity()).amax(1);
      };
      auto margin = p.select(1, 4);
      if (classes.size(1) > 1)
        margin = at::minimum(margin, best(right.logical_not()) - best(right));
      sum = sum.index_add(0, a.image, margin.clamp_min(0));
    }
    return sum;
  }

  std::shared_ptr<const FrozenNetwork> network_;
  std::shared_ptr<const YoloLoss> loss_;
  at::Tensor truth_, clean_{}, own_{};
  Aim aim_{};
  std::optional<Matches> matches_{};        // of these boxes
  std::vector<at::Tensor> least_likely_{};  // per head, in the order of the assignment
};

/// Any type with `value`, `facing` and `only` as Victim.
template <class Model>
Victim as_victim(const Model& model) {
  return Victim(Victim::Parts{
      .ascend = [model](const at::Tensor& images, const Aim& aim) -> Ascent {
        const at::AutoGradMode with_gradient(true);
        const auto x = images.detach().requires_grad_(true);
        const auto value = model.value(x, aim);
        return {value.detach(), torch::autograd::grad({value.sum()}, {x}).front()};
      },
      .loss =
          [model](const at::Tensor& images, const Aim& aim) {
            const torch::NoGradGuard no_grad;
            return model.value(images.detach(), aim);
          },
      .facing = [model](const at::Tensor& clean,
                        const Aim& aim) { return as_victim(model.facing(clean, aim)); },
      .only = [model](const at::Tensor& rows) { return as_victim(model.only(rows)); }});
}

}  // namespace serpette

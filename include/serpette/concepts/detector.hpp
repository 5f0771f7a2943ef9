#pragma once

#include <array>
#include <concepts>
#include <filesystem>
#include <functional>
#include <vector>

#include "serpette/concepts/attack.hpp"
#include "serpette/core/image_batch.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_view.hpp"
#include "serpette/graph/mask.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The scalar t that an attribution explains, per image: a sum of raw logits at the predictions
/// that answer for ground truth, or the loss.
enum class Target {
  kDetection,  ///< Objectness and true class. Says nothing of where the box is: weights of box
               ///< outputs score 0.
  kDetectionAndBox,  ///< These and the four logits of the box.
  kBox,              ///< The four logits of the box.
  kObjectness,       ///< Objectness.
  kClasses,          ///< The logits of all classes.
  kLogits,           ///< All logits: box, objectness and every class.
  kLoss,             ///< The training loss: its gradient in place of ones.
  kParts,  ///< kBox, kObjectness and kClasses, each explained by itself. Detectors are asked for
           ///< these three, never for kParts.
};

constexpr auto words(Target) {
  return std::array<Word<Target>, 8>{{{"detection", Target::kDetection},
                                      {"detection+box", Target::kDetectionAndBox},
                                      {"box", Target::kBox},
                                      {"objectness", Target::kObjectness},
                                      {"classes", Target::kClasses},
                                      {"logits", Target::kLogits},
                                      {"loss", Target::kLoss},
                                      {"parts", Target::kParts}}};
}

/// Which logits of a prediction (tx, ty, tw, th, objectness, class…) a target adds up, whatever its
/// true class; none for the loss and for parts.
inline std::vector<int> explained_logits(Target target, int classes) {
  std::vector<int> logits;
  const auto add = [&](int first, int count) {
    for (int k = first; k < first + count; ++k) logits.push_back(k);
  };
  using enum Target;
  if (target == kBox || target == kDetectionAndBox || target == kLogits) add(0, 4);
  if (target == kObjectness || target == kDetection || target == kDetectionAndBox ||
      target == kLogits)
    add(4, 1);
  if (target == kClasses || target == kLogits) add(5, classes);
  return logits;
}

/// Whether a target adds the logit of the true class to them.
constexpr bool explains_true_class(Target target) {
  return target == Target::kDetection || target == Target::kDetectionAndBox;
}

/// The training loss by part and image; differentiable. `total()` = Σ of everything ÷ N.
struct DetectionLoss {
  at::Tensor box, objectness, classes;  ///< [N] each, summed over the image's predictions.

  [[nodiscard]] at::Tensor total() const {
    return box.add(objectness).add(classes).sum().div(box.size(0));
  }
};

/// What to make of a convolution's activated output [N, C_out, H, W], by its graph index: the
/// tensor itself, or another of its shape and type.
using OutputHook = std::function<at::Tensor(int index, const at::Tensor& output)>;

namespace req {
/// `graph()`: the typed layer graph.
template <class D>
concept HasGraph = requires(const D& d) {
  { d.graph() } -> std::convertible_to<const Graph&>;
};
/// `layer(i)`: the tensors of the convolution at graph index i (handles: writing through them
/// changes the net).
template <class D>
concept ExposesLayers = requires(const D& d, int i) {
  { d.layer(i) } -> std::convertible_to<LayerParameters>;
};
/// `forward(images)`: [N, 3, H, W] → raw logits of every head [N, A·(5 + C), h, w].
template <class D>
concept Forwards = requires(D& d, const at::Tensor& images) {
  { d.forward(images) } -> std::same_as<std::vector<at::Tensor>>;
};
/// `loss(heads, truth)`: truth [M, 6] as in ImageBatch.
template <class D>
concept HasLoss =
    requires(const D& d, const std::vector<at::Tensor>& heads, const at::Tensor& truth) {
      { d.loss(heads, truth) } -> std::same_as<DetectionLoss>;
    };
/// `victim(truth)`: the frozen detector (evaluation mode) as an attack sees it; network input
/// space.
template <class D>
concept CanBeAttacked = requires(D& d, const at::Tensor& truth) {
  { d.victim(truth) } -> std::same_as<Victim>;
};
/// `targets(heads, truth, target)`: per head, ∂t/∂logits of the attribution target t, like the
/// head: 0 or 1, of kLoss the gradient of Σ loss over images.
template <class D>
concept HasTargets =
    requires(const D& d, const std::vector<at::Tensor>& heads, const at::Tensor& truth) {
      { d.targets(heads, truth, Target::kDetection) } -> std::same_as<std::vector<at::Tensor>>;
    };
/// `detect(images, geometry…, thresholds)` etc.: boxes from raw heads.
template <class D>
concept Decodes =
    requires(const D& d, const std::vector<at::Tensor>& heads, const ImageBatch& batch) {
      { d.detections(heads, batch, 0.5) } -> std::same_as<std::vector<std::vector<Detection>>>;
    };
/// `clone()` copies all tensors; `compact(mask)` returns the smaller network without the removed
/// filters.
template <class D>
concept Clones = requires(const D& d, const Mask& mask) {
  { d.clone() } -> std::same_as<D>;
  { d.compact(mask) } -> std::same_as<D>;
};
/// `frozen()`: the network as it evaluates now, in the form that is fast to infer with;
/// `forward(images)` as above.
template <class D>
concept Freezes = requires(const D& d, const at::Tensor& images) {
  { d.frozen().forward(images) } -> std::same_as<std::vector<at::Tensor>>;
};
/// `train(on)` switches batch norm between batch and running statistics; `parameters()` are the
/// trainable tensors.
template <class D>
concept Trains = requires(D& d) {
  d.train(true);
  { d.parameters() } -> std::same_as<std::vector<at::Tensor>>;
};
/// `momentum()`, `set_momentum(m)`: share of a batch in the running statistics of batch norm.
template <class D>
concept AveragesStatistics = requires(D& d) {
  { d.momentum() } -> std::convertible_to<double>;
  d.set_momentum(0.1);
};
/// `set_output_hook(hook)`: `forward`, and victims and frozen networks made from now on, pass every
/// convolution's output through the hook; an empty one takes it away. Clones have none.
template <class D>
concept HooksOutputs = requires(D& d, OutputHook hook) { d.set_output_hook(hook); };
/// `save(cfg, weights)` writes two files, `D::load(cfg, weights)` is the network that they hold.
template <class D>
concept Saves = requires(const D& d, const std::filesystem::path& file) {
  d.save(file, file);
  { D::load(file, file) } -> std::same_as<D>;
};
/// `to(device)` moves all tensors.
template <class D>
concept MovesToDevice = requires(D& d, at::Device device) { d.to(device); };
}  // namespace req

/// All that the method asks of a detector; `Yolov3` is ours, tests drive a three-layer
/// TinyDetector, and laws hold both to it (serpette/laws/detector.hpp).
template <class D>
concept Detector =
    req::HasGraph<D> && req::ExposesLayers<D> && req::Forwards<D> && req::HasLoss<D> &&
    req::CanBeAttacked<D> && req::HasTargets<D> && req::Decodes<D> && req::Clones<D> &&
    req::Freezes<D> && req::Trains<D> && req::AveragesStatistics<D> && req::HooksOutputs<D> &&
    req::Saves<D> && req::MovesToDevice<D>;

}  // namespace serpette

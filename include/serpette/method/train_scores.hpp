#pragma once

#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/method/train.hpp"

namespace serpette {

/// The mask of scores.
using MakeMask = std::function<Mask(const ScoreMap&)>;

/// The mask of scores and of keep rates that move with them (prune/learned.hpp).
struct MovedRates {
  at::Tensor logits;  ///< That the training begins with.
  double rate = 1;    ///< Beside the scores' learning rate.
  std::function<Mask(const ScoreMap&, const at::Tensor& logits)> mask;
  /// ∂L/∂logits, where gates have these slopes.
  std::function<at::Tensor(const ScoreMap&, const at::Tensor& logits, const Slopes&)> gradient;
};

/// How the mask of a step is made: of the scores alone, or of rates that are trained too.
using MaskOfStep = std::variant<MakeMask, MovedRates>;

/// What score training moves: with the masks' rule, all that a mask follows from.
struct TrainedScores {
  ScoreMap scores;
  at::Tensor logits{};  ///< Of the keep rates; undefined where none are trained.
};

namespace detail {

/// Of the channels that every convolution reads, those that come from the image or a filter that
/// the mask keeps: bool [C_in / groups], true where that is so in any group. The others are silent.
inline std::vector<at::Tensor> voiced_inputs(const Graph& graph, const Mask& mask) {
  const auto options = mask.front().weight.options();
  std::vector<at::Tensor> voiced(graph.layers.size()), inputs;  // voiced: [C], by graph index
  const auto of = [&](int index) {
    return index == kImage ? at::ones({graph.input.channels}, options)
                           : voiced[static_cast<std::size_t>(index)];
  };
  for (int i = 0; i < graph.size(); ++i) {
    const Layer& layer = graph[i];
    auto first = of(layer.inputs.front());
    voiced[static_cast<std::size_t>(i)] = visit(
        layer,
        [&](const Convolutional& conv) -> at::Tensor {
          const auto& filter = mask[inputs.size()].filter;
          inputs.push_back(first.reshape({conv.groups, -1}).any(0));
          return filter.defined() ? filter : at::ones({conv.filters}, options);
        },
        [&](const Shortcut&) -> at::Tensor {
          const auto other = of(layer.inputs.back());
          const auto shared = std::min(first.size(0), other.size(0));
          const auto sum = first.clone();
          sum.narrow(0, 0, shared).logical_or_(other.narrow(0, 0, shared));
          return sum;
        },
        [&](const Route& route) -> at::Tensor {
          std::vector<at::Tensor> parts;
          for (const int input : layer.inputs) {
            const auto from = of(input);
            const auto [begin, count] = route.taken(static_cast<int>(from.size(0)));
            parts.push_back(from.narrow(0, begin, count));
          }
          return at::cat(parts);
        },
        [&](const Product&) -> at::Tensor { return first.logical_and(of(layer.inputs.back())); },
        [&](const OneOf<Upsample, MaxPool, GlobalAverage, Yolo> auto&) -> at::Tensor {
          return first;
        });
  }
  return inputs;
}

}  // namespace detail

/// What score training moves: importance scores, while the weights stay. The network runs on
///   eff = w · M(|s|)
/// with the mask of the current scores, and the loss's gradient by eff passes straight through the
/// mask to the scores (the policy's `optimizer.gradient`). Where whole filters go, they run dense
/// and their *outputs* are masked, straight through as well: γ = β = 0 would stop every gradient,
/// and a dropped filter could never come back. So do the weights that read dropped filters; what
/// else a mask takes, as a hybrid's does, is gone. A filter without a kept weight in front of batch
/// norm gives no gradient: its variance is 0, and what comes back is 1/√ε of nothing. Batch norm's
/// statistics move as in any training, so that attacks meet the network that is trained.
///
/// Where keep rates are trained too, their logits move beside the scores. Of their gradient only
/// the direction counts, at a root mean square of 1: a loss that is a sum over boxes has no scale.
template <Detector D>
class MovedScores {
 public:
  /// @param detector  outlives this; hooked and masked from `prepare` on.
  MovedScores(D& detector, const ScoreMap& scores, ErasedScoreTraining policy, MaskOfStep masks)
      : detector_(detector), policy_(std::move(policy)), masks_(std::move(masks)) {
    for (const int index : detector.graph().convolutions()) {
      weights_.push_back(LayerParameters(detector.layer(index)).weight);
      dense_.push_back(weights_.back().detach().clone());
    }
    for (const auto& score : scores) trained_.scores.push_back(score.detach().clone());
    moved_.plain = trained_.scores;
    if (const auto* rates = std::get_if<MovedRates>(&masks_)) {
      trained_.logits = rates->logits.detach().clone();
      moved_.plain.push_back(trained_.logits);
    }
    alive_.resize(weights_.size());
  }

  [[nodiscard]] const MovedTensors& tensors() const { return moved_; }
  [[nodiscard]] const TrainedScores& trained() const { return trained_; }

  /// Makes the detector compute with the mask of the current scores.
  void prepare() {
    const torch::NoGradGuard no_grad;
    const Mask mask = mask_of_step();
    const auto convolutions = detector_.graph().convolutions();
    std::map<int, at::Tensor> outputs;  // by graph index: which are kept, [1, C_out, 1, 1]
    std::vector<at::Tensor> whole;      // whether all filters of a layer are, where some may not be
    for (const auto& layer : mask)
      if (layer.filter.defined()) whole.push_back(layer.filter.all());
    std::vector<at::Tensor> voiced;  // where whole filters go: what a convolution hears
    if (!whole.empty()) {
      whole = at::stack(whole).cpu().unbind();  // one copy, not one a layer
      voiced = detail::voiced_inputs(detector_.graph(), mask);
    }
    auto is_whole = whole.begin();
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      auto kept = mask[i].weight;
      if (const auto& filter = mask[i].filter; filter.defined()) {
        kept = kept.logical_or(filter.logical_not().view({-1, 1, 1, 1}))
                   .logical_or(voiced[i].logical_not().view({1, -1, 1, 1}));
        if (!(is_whole++)->template item<bool>())
          outputs.emplace(convolutions[i], filter.view({1, -1, 1, 1}));
      }
      weights_[i].copy_(dense_[i] * kept);
      const LayerParameters layer = detector_.layer(convolutions[i]);
      alive_[i] = layer.gamma.defined() ? kept.flatten(1).any(1).view({-1, 1, 1, 1}) : at::Tensor();
    }
    detector_.set_output_hook(
        outputs.empty() ? OutputHook{} : [outputs](int index, const at::Tensor& y) {
          const auto found = outputs.find(index);
          if (found == outputs.end()) return y;
          return y + (y * found->second.to(y.scalar_type()) - y).detach();
        });
  }

  /// ∂L/∂eff, after a backward pass.
  [[nodiscard]] std::vector<at::Tensor> gradients() {
    for (auto&& [weight, alive] : ranges::views::zip(weights_, alive_)) {
      if (!weight.grad().defined())  // no head reads the layer
        weight.mutable_grad() = at::zeros_like(weight.detach());
      if (alive.defined()) weight.grad().mul_(alive);
    }
    if (const auto* rates = std::get_if<MovedRates>(&masks_)) {  // before anything clips
      const torch::NoGradGuard no_grad;
      auto gradient = rates->gradient(trained_.scores, trained_.logits, slopes());
      const auto scale = gradient.square().mean().sqrt();
      trained_.logits.mutable_grad() =
          gradient.mul_(rates->rate).div_(scale.masked_fill(scale == 0, 1));
    }
    return weights_;
  }

  void step(torch::optim::Optimizer& optimizer) {
    const torch::NoGradGuard no_grad;
    for (auto&& [score, weight, dense] : ranges::views::zip(trained_.scores, weights_, dense_))
      score.mutable_grad() = policy_.gradient(weight.grad(), dense, score);
    optimizer.step();
  }

  void settle() {}
  /// All that steps change: what a checkpoint holds.
  [[nodiscard]] std::vector<at::Tensor> state() const {
    auto all = tensors_of(detector_);
    all.insert(all.end(), moved_.plain.begin(), moved_.plain.end());
    return all;
  }
  [[nodiscard]] std::vector<at::Tensor> averaged() const { return moved_.plain; }

 private:
  [[nodiscard]] Mask mask_of_step() const {
    if (const auto* rates = std::get_if<MovedRates>(&masks_))
      return rates->mask(trained_.scores, trained_.logits);
    return std::get<MakeMask>(masks_)(trained_.scores);
  }

  /// The gates' of all convolutions: of a weight ∂L/∂eff · w; of a filter's output what a factor on
  /// it does, behind batch norm γ ∂L/∂γ + β ∂L/∂β.
  [[nodiscard]] Slopes slopes() const {
    Slopes slopes;
    const auto convolutions = detector_.graph().convolutions();
    for (auto&& [index, effective, dense] : ranges::views::zip(convolutions, weights_, dense_)) {
      const LayerParameters layer = detector_.layer(index);
      auto weight = effective.grad() * dense;
      auto filter = layer.gamma.defined() ? at::zeros_like(layer.gamma) : weight.flatten(1).sum(1);
      for (const auto& factor : {layer.gamma, layer.beta, layer.bias})
        if (factor.defined() && factor.grad().defined()) filter = filter + factor.grad() * factor;
      slopes.push_back({std::move(weight), std::move(filter)});
    }
    return slopes;
  }

  D& detector_;
  ErasedScoreTraining policy_;
  MaskOfStep masks_;
  std::vector<at::Tensor> weights_, dense_;  // what the detector computes with, and what it had
  std::vector<at::Tensor> alive_;            // filters that give a gradient; undefined where all do
  TrainedScores trained_;
  MovedTensors moved_;  // the same tensors, as optimizers take them
};

/// HYDRA's score training, on the loop of all training (train.hpp): the same objective, attacks,
/// optimizers, checks and processes. Learning rate and momentum are the policy's. The detector
/// comes back as it was, batch norm statistics included.
/// @param optimizer  the policy's: learning_rate, momentum, gradient(∂L/∂eff, w, s).
/// @param masks      how a step's mask is made; with MovedRates they are trained too.
/// @param unfinished as `train`.
template <Detector D, Observer O>
TrainedScores train_scores(D& detector, ScoreMap scores, const ErasedScoreTraining& optimizer,
                           MaskOfStep masks, const BatchSource& next, const Defence& defence,
                           TrainSettings settings, Seed seed, at::Device device, O& observer,
                           Unfinished* unfinished = nullptr) {
  if (settings.steps == 0) {
    const auto* rates = std::get_if<MovedRates>(&masks);
    return {std::move(scores), rates ? rates->logits : at::Tensor()};
  }
  const Peers peers = peers_of(detector);
  take_from_first(peers, tensors_of(detector));
  take_from_first(peers, scores);
  const Untouched guard(detector, "score training");
  settings.learning_rate = optimizer.learning_rate;
  settings.momentum = optimizer.momentum;
  MovedScores moves(detector, scores, optimizer, std::move(masks));
  train(detector, moves, next, defence, settings, seed, device, observer, unfinished);
  return moves.trained();
}

}  // namespace serpette

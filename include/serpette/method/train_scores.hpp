#pragma once

#include <utility>
#include <vector>

#include "serpette/method/train.hpp"

namespace serpette {

/// What score training moves: importance scores, while the weights stay. The network runs on
///   eff = w · M(|s|)
/// with the mask of the current scores, and the loss's gradient by eff passes straight through the
/// mask to the scores (the policy's `optimizer.gradient`).
/// @tparam Policy    learning_rate, momentum, gradient(∂L/∂eff, w, s).
/// @tparam MakeMask  scores → Mask.
template <Detector D, class Policy, class MakeMask>
class MovedScores {
 public:
  MovedScores(D& detector, const ScoreMap& scores, const Policy& policy, MakeMask make_mask)
      : detector_(detector), policy_(policy), make_mask_(std::move(make_mask)) {
    for (const int index : detector.graph().convolutions()) {
      weights_.push_back(LayerParameters(detector.layer(index)).weight);
      dense_.push_back(weights_.back().detach().clone());
    }
    for (const auto& score : scores) scores_.plain.push_back(score.detach().clone());
  }

  [[nodiscard]] const MovedTensors& tensors() const { return scores_; }

  /// Writes the effective weights of the current scores into the detector.
  void prepare() {
    const torch::NoGradGuard no_grad;
    const Mask mask = make_mask_(scores_.plain);
    for (std::size_t i = 0; i < weights_.size(); ++i) weights_[i].copy_(dense_[i]);
    apply_mask(mask, detector_);
  }

  [[nodiscard]] std::vector<at::Tensor> gradients() const { return weights_; }

  void step(torch::optim::Optimizer& optimizer) {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < weights_.size(); ++i)
      scores_.plain[i].mutable_grad() =
          policy_.gradient(weights_[i].grad(), dense_[i], scores_.plain[i]);
    optimizer.step();
  }

  void settle() {}
  [[nodiscard]] std::vector<at::Tensor> averaged() const { return scores_.plain; }

 private:
  D& detector_;
  Policy policy_;
  MakeMask make_mask_;
  std::vector<at::Tensor> weights_, dense_;  // what the detector computes with, and what it had
  MovedTensors scores_;
};

/// HYDRA's score training, on the loop of all training (train.hpp): the same objective, attacks,
/// optimizers, checks and processes. Learning rate and momentum are the policy's. The detector
/// comes back as it was, batch norm statistics included.
/// @param optimizer  the policy's: learning_rate, momentum, gradient(∂L/∂eff, w, s).
/// @param make_mask  the mask of scores.
template <Detector D, class Policy, class MakeMask, class Next, Objective Goal, Attack A,
          ColorMode Color, Observer O>
ScoreMap train_scores(D& detector, ScoreMap scores, const Policy& optimizer, MakeMask make_mask,
                      Next&& next, const Defence<Goal, A, Color>& defence, TrainSettings settings,
                      Seed seed, at::Device device, O& observer) {
  if (settings.steps == 0) return scores;
  const Peers peers = peers_of(detector);
  take_from_first(peers, tensors_of(detector));
  take_from_first(peers, scores);
  const Untouched guard(detector, "score training");
  settings.learning_rate = optimizer.learning_rate;
  settings.momentum = optimizer.momentum;
  MovedScores moves(detector, scores, optimizer, std::move(make_mask));
  train(detector, moves, next, defence, settings, seed, device, observer);
  return moves.tensors().plain;
}

}  // namespace serpette

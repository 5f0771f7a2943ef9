#pragma once

#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <utility>
#include <vector>

#include "serpette/method/settings.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// Learning rate of a step: linear warm-up, of at most half of the steps, so that the rate comes
/// down whatever the stage's length; then a half cosine to zero.
inline double learning_rate(const TrainSettings& settings, std::int64_t step) {
  const auto warmup = std::min(settings.warmup, settings.steps / 2);
  if (step < warmup)
    return settings.learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup + 1);
  const auto span = static_cast<double>(std::max<std::int64_t>(1, settings.steps - warmup));
  return settings.learning_rate * 0.5 *
         (1 + std::cos(std::numbers::pi * static_cast<double>(step - warmup) / span));
}

/// The leaves that a stage moves.
struct MovedTensors {
  std::vector<at::Tensor> decayed, plain;  ///< With weight decay, and without.
};

/// The optimizer of a training stage.
inline std::unique_ptr<torch::optim::Optimizer> make_optimizer(const MovedTensors& tensors,
                                                               const TrainSettings& settings) {
  const auto make = [&]<class Method, class Options>(const Options& options) {
    std::vector<torch::optim::OptimizerParamGroup> groups;
    for (const bool decayed : {true, false}) {
      auto own = options;
      own.weight_decay(decayed ? settings.weight_decay : 0);
      groups.emplace_back(decayed ? tensors.decayed : tensors.plain,
                          std::make_unique<Options>(own));
    }
    return std::make_unique<Method>(groups, options);
  };
  switch (settings.optimizer) {
    case TrainSettings::Optimizer::kSgd:
      break;
    case TrainSettings::Optimizer::kAdam:
      return make.template operator()<torch::optim::Adam>(
          torch::optim::AdamOptions(settings.learning_rate));
    case TrainSettings::Optimizer::kAdamW:
      return make.template operator()<torch::optim::AdamW>(
          torch::optim::AdamWOptions(settings.learning_rate));
  }
  return make.template operator()<torch::optim::SGD>(
      torch::optim::SGDOptions(settings.learning_rate).momentum(settings.momentum));
}

/// Average of tensors over the steps of a stage,  a ← d·a + (1 − d)·t,  with d = min(decay,
/// (1 + k) / (10 + k)) at step k, so that a short stage does not remember its start for ever. A
/// decay of 0 keeps none. Source: Polyak & Juditsky 1992; the rise as TensorFlow's.
class MovingAverage {
 public:
  /// @param tensors  handles; what is averaged, and where `write` puts the average.
  MovingAverage(double decay, std::vector<at::Tensor> tensors) : decay_(decay) {
    if (decay <= 0) return;
    tensors_ = std::move(tensors);
    for (const auto& tensor : tensors_) averages_.push_back(tensor.detach().clone());
  }

  void update() {
    const torch::NoGradGuard no_grad;
    ++steps_;
    const double d = std::min(decay_, (1 + steps_) / (10 + steps_));
    for (auto&& [tensor, average] : ranges::views::zip(tensors_, averages_))
      average.lerp_(tensor, 1 - d);
  }

  /// What a checkpoint keeps of it: handles to the averages, and how many steps they are of.
  [[nodiscard]] const std::vector<at::Tensor>& averages() const { return averages_; }
  [[nodiscard]] double steps() const { return steps_; }
  void set_steps(double steps) { steps_ = steps; }

  void write() const { put(averages_, tensors_); }

  /// Calls `f` while the tensors are their averages; then, if it throws too, they are their own
  /// again.
  template <class F>
  void during(const F& f) const {
    struct Back {
      const MovingAverage& average;
      std::vector<at::Tensor> own;
      explicit Back(const MovingAverage& average) : average(average) {
        for (const auto& tensor : average.tensors_) own.push_back(tensor.detach().clone());
        average.write();
      }
      Back(const Back&) = delete;
      Back& operator=(const Back&) = delete;
      ~Back() { put(own, average.tensors_); }
    };
    const Back back(*this);
    f();
  }

 private:
  static void put(const std::vector<at::Tensor>& from, const std::vector<at::Tensor>& to) {
    const torch::NoGradGuard no_grad;
    for (auto&& [source, target] : ranges::views::zip(from, to)) target.detach().copy_(source);
  }

  double decay_, steps_ = 0;
  std::vector<at::Tensor> tensors_, averages_;
};

}  // namespace serpette

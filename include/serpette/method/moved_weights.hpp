#pragma once

#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/method/optimizer.hpp"
#include "serpette/method/state.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// What robust training and fine-tuning move: all weights, those under a mask only where it keeps
/// them. Gradients of what is pruned are set to nothing before anything reads them, so that neither
/// clipping nor an optimizer's momentum knows them. Decay acts on convolution weights alone.
template <Detector D>
class MovedWeights {
 public:
  /// @param detector  outlives this; masked already where there is a mask.
  /// @param mask      outlives this, or nullptr.
  explicit MovedWeights(D& detector, const Mask* mask = nullptr)
      : detector_(detector), mask_(mask) {
    for (const int index : detector.graph().convolutions()) {
      const LayerParameters layer = detector.layer(index);
      tensors_.decayed.push_back(layer.weight);
      for (const auto& tensor : {layer.bias, layer.gamma, layer.beta})
        if (tensor.defined()) tensors_.plain.push_back(tensor);
    }
  }

  [[nodiscard]] const MovedTensors& tensors() const { return tensors_; }

  /// The detector computes with what is moved: nothing to write into it.
  void prepare() {}

  /// The tensors whose gradients count, after a backward pass.
  [[nodiscard]] std::vector<at::Tensor> gradients() const {
    if (mask_) mask_gradients(*mask_, detector_);
    return detector_.parameters();
  }

  void step(torch::optim::Optimizer& optimizer) {
    optimizer.step();
    settle();
  }

  /// Takes back what rounding, decay or averaging may have put where the mask keeps nothing.
  void settle() {
    if (mask_) apply_mask(*mask_, detector_);
  }

  /// All that steps change: what a checkpoint holds.
  [[nodiscard]] std::vector<at::Tensor> state() const { return tensors_of(detector_); }

  /// What an average over the steps is taken of.
  [[nodiscard]] std::vector<at::Tensor> averaged() const { return tensors_of(detector_); }

 private:
  D& detector_;
  const Mask* mask_;
  MovedTensors tensors_;
};

}  // namespace serpette

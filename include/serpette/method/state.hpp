#pragma once

#include <range/v3/view/zip.hpp>

#include <string_view>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/graph/apply_mask.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// Handles to all tensors of a detector's convolutions, in graph order.
template <Detector D>
std::vector<at::Tensor> tensors_of(const D& detector) {
  std::vector<at::Tensor> all;
  for (const int index : detector.graph().convolutions())
    for (const auto& tensor : tensors(detector.layer(index))) all.push_back(tensor.detach());
  return all;
}

/// Copies of them: what a checkpoint holds.
template <Detector D>
std::vector<at::Tensor> state_of(const D& detector) {
  auto state = tensors_of(detector);
  for (auto& tensor : state) tensor = tensor.clone();
  return state;
}

/// Writes a state back in place.
/// @throws Error  if it is another network's.
template <Detector D>
void restore(D& detector, const std::vector<at::Tensor>& state, std::string_view place) {
  torch::NoGradGuard no_grad;
  std::size_t next = 0;
  for (const int index : detector.graph().convolutions())
    for (const auto& tensor : tensors(detector.layer(index))) {
      require(next < state.size() && state[next].sizes() == tensor.sizes(), place,
              "should hold the tensors of this network, got others at layer \"{}\"",
              detector.graph()[index].name);
      tensor.copy_(state[next++]);
    }
  require(next == state.size(), place, "should hold {} tensors, got {}", next, state.size());
}

/// Zeroes what the mask removes, in every convolution of the detector.
template <Detector D>
void apply_mask(const Mask& mask, D& detector) {
  const auto convolutions = detector.graph().convolutions();
  require(mask.size() == convolutions.size(), "mask", "should have {} layers, got {}",
          convolutions.size(), mask.size());
  for (auto&& [kept, index] : ranges::views::zip(mask, convolutions))
    apply_mask(kept, detector.layer(index));
}

/// Sets gradients of what the mask removes to nothing.
template <Detector D>
void mask_gradients(const Mask& mask, D& detector) {
  const torch::NoGradGuard no_grad;
  const auto convolutions = detector.graph().convolutions();
  for (auto&& [kept, index] : ranges::views::zip(mask, convolutions)) {
    const LayerParameters layer = detector.layer(index);
    const auto keep = [](const at::Tensor& parameter, const at::Tensor& ones) {
      if (parameter.defined() && parameter.grad().defined() && ones.defined())
        parameter.grad().mul_(ones);
    };
    keep(layer.weight, kept.weight);
    for (const auto& vector : {layer.bias, layer.gamma, layer.beta}) keep(vector, kept.filter);
  }
}

/// Remembers a detector's tensors, and at the end of its life gives them back and takes away its
/// output hook.
template <Detector D>
class Untouched {
 public:
  Untouched(D& detector, std::string_view place)
      : detector_(detector), place_(place), state_(state_of(detector)) {}
  Untouched(const Untouched&) = delete;
  Untouched& operator=(const Untouched&) = delete;
  ~Untouched() {  // NOLINT(bugprone-exception-escape): what cannot be given back must not go on
    detector_.set_output_hook({});
    restore(detector_, state_, place_);
  }

 private:
  D& detector_;
  std::string_view place_;
  std::vector<at::Tensor> state_;
};

}  // namespace serpette

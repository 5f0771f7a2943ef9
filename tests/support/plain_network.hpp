#pragma once

/// @file
/// What a network computes, in the plainest LibTorch: the reading of each kind of layer that tests
/// compare faster code with.

#include "serpette/torch/nn.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"

namespace serpette::test {

/// Copies the tensors of a network into those of another one of the same graph.
template <class From, class To>
void copy_parameters(const From& from, const To& to) {
  const at::NoGradGuard no_grad;
  for (const int i : from.graph().convolutions()) {
    const auto sources = tensors(from.layer(i)), targets = tensors(to.layer(i));
    for (std::size_t k = 0; k < sources.size(); ++k) targets[k].copy_(sources[k]);
  }
}

inline at::Tensor activated(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kLeaky:
      return at::leaky_relu(x, kLeakySlope);
    case Activation::kRelu:
      return x.relu();
    case Activation::kLogistic:
      return x.sigmoid();
    case Activation::kMish:
      return x * at::tanh(at::log1p(at::exp(x)));
    case Activation::kSwish:
      return x * x.sigmoid();
    case Activation::kLinear:
      return x;
  }
  return x;
}

/// What darknet's shortcut_cpu adds: the channels that both have.
inline at::Tensor shortcut_sum(const at::Tensor& first, const at::Tensor& other) {
  const auto shared = std::min(first.size(1), other.size(1)), rest = first.size(1) - shared;
  return at::cat(
      {first.narrow(1, 0, shared) + other.narrow(1, 0, shared), first.narrow(1, shared, rest)}, 1);
}

/// Output of every layer; heads pass on what they read.
/// @param parameters  in the order of `graph.convolutions()`.
/// @param training    whether batch norm takes the batch's statistics, and moves the running ones.
/// @param momentum    by which share.
/// @param hook        sees the output of every convolution; may be empty.
inline std::vector<at::Tensor> plain_outputs(const Graph& graph,
                                             const std::vector<LayerParameters>& parameters,
                                             const at::Tensor& images, bool training = false,
                                             double momentum = 0.1, const OutputHook& hook = {}) {
  std::vector<at::Tensor> outputs;
  const auto of = [&](int i) {
    return i == kImage ? images : outputs[static_cast<std::size_t>(i)];
  };
  auto next = parameters.begin();
  for (const Layer& layer : graph.layers) {
    at::Tensor x = of(layer.inputs.front());
    if (const auto* conv = layer.as<Convolutional>()) {
      const auto& p = *next++;
      x = at::conv2d(x, p.weight, p.bias, conv->stride, conv->padding, 1, conv->groups);
      if (conv->batch_normalize)
        x = at::batch_norm(x, p.gamma, p.beta, p.running_mean, p.running_var, training, momentum,
                           1e-5, false);
      x = activated(x, conv->activation);
      if (hook) x = hook(static_cast<int>(outputs.size()), x);
    } else if (const auto* shortcut = layer.as<Shortcut>()) {
      x = activated(shortcut_sum(x, of(layer.inputs.back())), shortcut->activation);
    } else if (const auto* route = layer.as<Route>()) {
      std::vector<at::Tensor> parts;
      for (const int i : layer.inputs)
        parts.push_back(of(i).chunk(route->groups, 1)[static_cast<std::size_t>(route->group_id)]);
      x = at::cat(parts, 1);
    } else if (const auto* up = layer.as<Upsample>()) {
      x = x.repeat_interleave(up->stride, 2).repeat_interleave(up->stride, 3);
    } else if (const auto* pool = layer.as<MaxPool>()) {
      const int before = pool->padding / 2, after = pool->padding - before;
      x = at::constant_pad_nd(x, {before, after, before, after}, -INFINITY);
      x = at::max_pool2d(x, pool->size, pool->stride);
    }
    outputs.push_back(x);
  }
  return outputs;
}

/// Of the outputs of all layers those of the heads.
inline std::vector<at::Tensor> heads_of(const Graph& graph,
                                        const std::vector<at::Tensor>& outputs) {
  std::vector<at::Tensor> heads;
  for (const int i : graph.heads()) heads.push_back(outputs[static_cast<std::size_t>(i)]);
  return heads;
}

}  // namespace serpette::test

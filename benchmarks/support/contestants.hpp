#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "serpette/core/seed.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/execute.hpp"
#include "serpette/graph/fold.hpp"
#include "serpette/torch/nn.hpp"

/// @file
/// What suites of whole networks share: a network, images and truth for it, LibTorch as people
/// write it, and how far two contestants' heads are apart.

namespace serpette::bench {

/// A network that ships, by its name.
/// @param side  of its canvas, instead of the cfg's [pixels].
inline Graph shipped(const std::string& name, std::int64_t side) {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../share/cfg";
  auto text = write_cfg(load_cfg(folder / (name + ".cfg")));
  for (const std::string key : {"width=", "height="}) {
    const auto at = text.find(key) + key.size();
    text.replace(at, text.find('\n', at) - at, std::to_string(side));
  }
  return parse_cfg(text, name);
}

/// Pixels of any value.
inline at::Tensor noise(at::IntArrayRef shape) {
  Generator rng{Seed(2)};
  return at::empty(shape).uniform_(0, 1, rng.torch());
}

/// Seven boxes an image, of every size.
inline at::Tensor boxes(std::int64_t images, std::uint64_t classes = 80) {
  Generator rng{Seed(3)};
  std::vector<float> rows;
  for (std::int64_t n = 0; n < images; ++n)
    for (int k = 0; k < 7; ++k) {
      const double size = 0.03 * std::pow(20.0, rng.uniform());
      for (const double v : {double(n), double(rng.below(classes)), rng.uniform(), rng.uniform(),
                             size, size * rng.uniform(0.5, 2)})
        rows.push_back(static_cast<float>(std::min(v, 79.0)));
    }
  return torch::tensor(rows).view({-1, 6});
}

/// LibTorch as people write it, batch norm folded, every tensor in one memory format.
template <class D>
class FoldedEager {
 public:
  /// @param net  outlives this.
  FoldedEager(const D& net, at::MemoryFormat format)
      : graph_(net.graph()), format_(format), folded_(static_cast<std::size_t>(graph_.size())) {
    for (const int i : graph_.convolutions()) {
      const auto [weight, bias] = fold_batch_norm(net.layer(i));
      folded_[static_cast<std::size_t>(i)] = {weight.contiguous(format), bias};
    }
  }

  std::vector<at::Tensor> operator()(const at::Tensor& images) const {
    return run_graph(graph_, images.contiguous(format_), [&](int i, const at::Tensor& x) {
      const auto& [weight, bias] = folded_[static_cast<std::size_t>(i)];
      const auto& c = graph_.convolution(i);
      auto y = at::conv2d(x, weight, bias, c.stride, c.padding);
      return c.activation == Activation::kLeaky ? at::leaky_relu_(y, kLeakySlope) : y;
    });
  }

 private:
  struct Folded {
    at::Tensor weight, bias;
  };
  const Graph& graph_;
  at::MemoryFormat format_;
  std::vector<Folded> folded_;
};

/// The largest difference of two networks' heads, by the largest number of the head.
inline double error(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double worst = 0;
  for (std::size_t h = 0; h < a.size(); ++h)
    worst = std::max(worst, ((a[h] - b[h]).abs().max() / b[h].abs().max()).item<double>());
  return worst;
}

}  // namespace serpette::bench

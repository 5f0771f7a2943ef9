#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/graph/channels.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/graph/fold.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"

namespace serpette::deploy {

/// A network on the CPU whose convolutions have a bias instead of batch norm, and no filter that is
/// always silent.
class FoldedNetwork {
 public:
  /// Folds batch norm into the weights, then cuts out what a mask has silenced: coupled filters
  /// (graph/channels.hpp) whose weights and bias are all zero, with the weights that read them.
  /// Computes what `network` computes.
  /// @param network  offers `graph()` and `layer(i)`, on any device.
  template <class Network>
  explicit FoldedNetwork(const Network& network) : graph_(network.graph()) {
    for (const int i : graph_.convolutions()) {
      const auto [weight, bias] = fold_batch_norm(network.layer(i));
      std::get<Convolutional>(graph_.layers[static_cast<std::size_t>(i)].operation)
          .batch_normalize = false;
      LayerParameters folded;
      folded.weight = weight.to(at::kCPU, at::kFloat).contiguous();
      folded.bias = bias.to(at::kCPU, at::kFloat).contiguous();
      layers_.push_back(std::move(folded));
    }
    remove_silent_filters();
  }

  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// Weight and bias of the convolution at graph index `i`.
  [[nodiscard]] const LayerParameters& layer(int i) const {
    std::size_t position = 0;
    for (int j = 0; j < i; ++j) position += graph_[j].as<Convolutional>() != nullptr;
    return layers_[position];
  }

 private:
  void remove_silent_filters() {
    std::vector<std::vector<bool>> kept;
    for (const auto& layer : layers_) {
      const auto of_a_filter = layer.weight.numel() / layer.weight.size(0);
      const auto* weight = layer.weight.const_data_ptr<float>();
      const auto* bias = layer.bias.const_data_ptr<float>();
      auto& heard = kept.emplace_back();
      for (std::int64_t f = 0; f < layer.weight.size(0); ++f, weight += of_a_filter)
        heard.push_back(bias[f] != 0 ||
                        std::any_of(weight, weight + of_a_filter, [](float w) { return w != 0; }));
    }
    std::vector<std::vector<bool>> all;
    for (const auto& filters : kept) all.emplace_back(filters.size(), true);
    const auto flag = [](auto& flags, const FilterId& f) {
      return flags[static_cast<std::size_t>(f.convolution)][static_cast<std::size_t>(f.filter)];
    };
    for (const ChannelGroup& group : coupled_channels(graph_)) {
      if (!group.removable) continue;
      std::size_t left = group.channels.size();
      for (const CoupledFilters& filters : group.channels) {
        const bool is_heard = std::ranges::any_of(filters, [&](auto& f) { return flag(kept, f); });
        if (is_heard || left == 1) continue;
        for (const FilterId& f : filters) flag(all, f) = false;
        --left;
      }
    }
    auto plan = plan_compaction(graph_, all);
    for (std::size_t i = 0; i < layers_.size(); ++i)
      layers_[i] = sliced(layers_[i], plan.convolutions[i]);
    graph_ = std::move(plan.graph);
  }

  Graph graph_;
  std::vector<LayerParameters> layers_;  // in the order of graph_.convolutions(): weight and bias
};

}  // namespace serpette::deploy

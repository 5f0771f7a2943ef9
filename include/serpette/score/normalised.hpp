#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// What the scores of a layer are divided by, so that its weights are compared by their share
/// instead of their size.
enum class Normalise {
  kNone,            ///< |s|.
  kFilter,          ///< |s| ÷ the mean |s| of its filter: a share of what the filter does. Ranks
                    ///< weights and kernels; whole filters it makes equal.
  kFilterAndInput,  ///< |s| · the layer's mean ÷ (its filter's mean · its input channel's mean).
  kLayer,           ///< |s| ÷ the mean |s| of its layer: for pieces compared between layers.
};

constexpr auto words(Normalise) {
  return std::array<Word<Normalise>, 4>{{{"none", Normalise::kNone},
                                         {"filter", Normalise::kFilter},
                                         {"filter+input", Normalise::kFilterAndInput},
                                         {"layer", Normalise::kLayer}}};
}

/// What that makes equal.
constexpr Levelled levelled_by(Normalise normalise) {
  return normalise == Normalise::kFilter  ? Levelled::kFilters
         : normalise == Normalise::kLayer ? Levelled::kLayers
                                          : Levelled::kNothing;
}

/// The normalised |scores| of one layer. What has mean 0 stays 0.
/// @param scores  [C_out, C_in / groups, k_h, k_w].
inline at::Tensor normalised(Normalise normalise, const at::Tensor& scores) {
  const auto s = scores.abs();
  const auto divided = [&](const at::Tensor& by) { return s / by.masked_fill(by == 0, 1); };
  switch (normalise) {
    case Normalise::kNone:
      return s;
    case Normalise::kFilter:
      return divided(s.mean({1, 2, 3}, true));
    case Normalise::kFilterAndInput: {
      const auto layer = s.mean();
      const auto by = s.mean({1, 2, 3}, true) / layer.masked_fill(layer == 0, 1);
      return divided(by * s.mean({0, 2, 3}, true));
    }
    case Normalise::kLayer:
      return divided(s.mean());
  }
  return s;
}

/// Another score, normalised: `Normalised<Magnitude>{}` ranks weights by their share of the
/// filter's magnitude. For scores that are not trained afterwards.
template <ScoreInit Score>
  requires(!req::TrainsScores<Score>)
struct Normalised {
 private:
  static constexpr std::string_view kPrefix = "Normalised ";
  static constexpr auto kName = [] {
    std::array<char, kPrefix.size() + std::string_view(Score::name).size()> text{};
    const std::string_view of = Score::name;
    std::copy(of.begin(), of.end(), std::copy(kPrefix.begin(), kPrefix.end(), text.begin()));
    return text;
  }();

 public:
  static constexpr std::string_view name{kName.data(), kName.size()};
  static constexpr bool needs_input = serpette::needs_input<Score>;
  static constexpr bool needs_gradient = serpette::needs_gradient<Score>;

  Score of{};                                ///< What is normalised.
  Normalise normalise = Normalise::kFilter;  ///< By what.

  static constexpr auto describe() {
    return settings(part<&Normalised::of>(""),
                    setting<&Normalised::normalise>("What scores are divided by the mean of"));
  }

  [[nodiscard]] bool needs_twins() const { return wants_twins(of); }
  /// What was made equal before stays so under one more mean of a layer or none.
  [[nodiscard]] constexpr Levelled levels() const {
    if (normalise == Normalise::kFilterAndInput) return levelled_by(normalise);
    return std::max(levelled_by(normalise), serpette::levels(of));
  }

  [[nodiscard]] at::Tensor score(const LayerView& layer, Generator& rng) const
    requires req::ScoresOneLayer<Score>
  {
    return normalised(normalise, of.score(layer, rng));
  }

  template <Detector D>
    requires req::ScoresAllLayers<Score>
  [[nodiscard]] ScoreMap score_all(D& detector, const BatchStream& batches, Generator& rng) const {
    auto scores = of.score_all(detector, batches, rng);
    for (auto& s : scores) s = normalised(normalise, s);
    return scores;
  }

  /// @throws Error  as what is normalised.
  void require_fits([[maybe_unused]] const Graph& graph) const {
    if constexpr (requires { of.require_fits(graph); }) of.require_fits(graph);
  }
};

}  // namespace serpette

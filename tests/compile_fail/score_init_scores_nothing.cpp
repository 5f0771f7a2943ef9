// expect-error: ScoresOneLayerOrAllLayers, Idle
#include "serpette/concepts/score_init.hpp"

struct Idle {
  static constexpr std::string_view name = "Idle";
#ifdef PASSING_TWIN
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
#endif
};
static_assert(serpette::ScoreInit<Idle>);

// expect-error: ScoresOneLayerOrAllLayers, Forgetful
#include "serpette/concepts/score_init.hpp"

struct Forgetful {
  static constexpr std::string_view name = "Forgetful";
#ifdef PASSING_TWIN
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
#else
  float score(const serpette::LayerView&, serpette::Generator&) const { return 0; }
#endif
};
static_assert(serpette::ScoreInit<Forgetful>);

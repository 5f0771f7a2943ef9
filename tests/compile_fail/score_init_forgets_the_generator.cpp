// expect-error: ScoresOneLayerOrAllLayers, Sure
#include "serpette/concepts/score_init.hpp"

struct Sure {
  static constexpr std::string_view name = "Sure";
#ifdef PASSING_TWIN
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
#else
  at::Tensor score(const serpette::LayerView& layer) const {
#endif
      return layer.weight;
}
}
;
static_assert(serpette::ScoreInit<Sure>);

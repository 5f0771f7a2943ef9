// expect-error: InputFlagsAreConstants, Cheap
#include "serpette/concepts/score_init.hpp"

struct Cheap {
  static constexpr std::string_view name = "Cheap";
#ifdef PASSING_TWIN
  static constexpr bool needs_gradient = true;
#else
  bool needs_gradient = true;
#endif
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.gradient;
  }
};
static_assert(serpette::ScoreInit<Cheap>);

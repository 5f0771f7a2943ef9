// expect-error: Named, Nameless
#include "serpette/concepts/score_init.hpp"

struct Nameless {
#ifdef PASSING_TWIN
  static constexpr std::string_view name = "Nameless";
#endif
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
};
static_assert(serpette::ScoreInit<Nameless>);

// expect-error: NamedStatically, Changeable
#include "serpette/concepts/score_init.hpp"

struct Changeable {
#ifdef PASSING_TWIN
  static constexpr std::string_view name = "Changeable";
#else
  std::string_view name = "Changeable";
#endif
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
};
static_assert(serpette::ScoreInit<Changeable>);

// expect-error: Named, Late
#include <string>

#include "serpette/concepts/score_init.hpp"

struct Late {
#ifdef PASSING_TWIN
  static constexpr std::string_view name = "Late";
#else
  static inline const std::string name = "Late";
#endif
  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
};
static_assert(serpette::ScoreInit<Late>);

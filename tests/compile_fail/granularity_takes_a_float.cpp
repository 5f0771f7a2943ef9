// expect-error: MakesMask
#include "serpette/concepts/prune_granularity.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
#ifdef PASSING_TWIN
  serpette::Mask mask(const serpette::Graph&, const serpette::ScoreMap&, serpette::Ratio) const {
    return {};
  }
#else
  serpette::Mask mask(const serpette::Graph&, const serpette::ScoreMap&, float) const { return {}; }
#endif
  serpette::Kept kept(const serpette::Graph&, const serpette::Mask&) const { return {}; }
};
static_assert(serpette::PruneGranularity<Halves>);

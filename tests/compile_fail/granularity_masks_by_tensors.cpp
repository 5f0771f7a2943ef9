// expect-error: MakesMask, Halves
#include "serpette/concepts/prune_granularity.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
  std::vector<serpette::PieceSet> pieces(const serpette::Graph&) const { return {}; }
  serpette::Importance importance(const serpette::Graph&, const serpette::ScoreMap&) const {
    return {};
  }
#ifdef PASSING_TWIN
  serpette::Mask
#else
  std::vector<at::Tensor>
#endif
  mask(const serpette::Graph&, const serpette::Choice&) const {
    return {};
  }
};
static_assert(serpette::PruneGranularity<Halves>);

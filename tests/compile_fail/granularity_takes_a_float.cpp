// expect-error: SaysPieces, Halves
#include "serpette/concepts/prune_granularity.hpp"

struct Halves {
  static constexpr std::string_view name = "Halves";
#ifdef PASSING_TWIN
  std::vector<serpette::PieceSet> pieces(const serpette::Graph&) const { return {}; }
#else
  std::vector<serpette::PieceSet> pieces(float) const { return {}; }
#endif
  serpette::Importance importance(const serpette::Graph&, const serpette::ScoreMap&) const {
    return {};
  }
  serpette::Mask mask(const serpette::Graph&, const serpette::Choice&) const { return {}; }
};
static_assert(serpette::PruneGranularity<Halves>);

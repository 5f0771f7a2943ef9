// expect-error: SaysRounds, Twice
#include "serpette/concepts/schedule.hpp"

struct Twice {
  static constexpr std::string_view name = "Twice";
#ifdef PASSING_TWIN
  std::vector<serpette::Ratio>
#else
  std::vector<double>
#endif
  ratios(serpette::Ratio) const {
    return {};
  }
};
static_assert(serpette::Schedule<Twice>);

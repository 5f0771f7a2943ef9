// expect-error: Saves
#include "serpette/concepts/detector.hpp"

struct Unsaved : serpette::detail::AnyDetector {
  Unsaved clone() const;
  Unsaved compact(const serpette::Mask&) const;
#ifdef PASSING_TWIN
  static Unsaved load(const std::filesystem::path&, const std::filesystem::path&);
#endif
};
static_assert(serpette::Detector<Unsaved>);

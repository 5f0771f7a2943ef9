// expect-error: ExpandsToNetwork, Sepia
#include "serpette/concepts/color_mode.hpp"

struct Sepia {
  static constexpr std::string_view name = "Sepia";
  static constexpr int channels = 3;
  at::Tensor encode(const at::Tensor& rgb) const { return rgb; }
#ifdef PASSING_TWIN
  at::Tensor expand(const at::Tensor& encoded) const { return encoded; }
#endif
};
static_assert(serpette::ColorMode<Sepia>);

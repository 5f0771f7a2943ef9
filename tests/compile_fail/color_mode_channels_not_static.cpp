// expect-error: CountsChannels, Sepia
#include "serpette/concepts/color_mode.hpp"

struct Sepia {
  static constexpr std::string_view name = "Sepia";
#ifdef PASSING_TWIN
  static constexpr int channels = 3;
#else
  int channels = 3;
#endif
  at::Tensor encode(const at::Tensor& rgb) const { return rgb; }
  at::Tensor expand(const at::Tensor& encoded) const { return encoded; }
};
static_assert(serpette::ColorMode<Sepia>);

// expect-error: EncodesRgb, Sepia
#include "serpette/concepts/color_mode.hpp"

struct Sepia {
  static constexpr std::string_view name = "Sepia";
  static constexpr int channels = 3;
#ifdef PASSING_TWIN
  at::Tensor encode(const at::Tensor& rgb) const { return rgb; }
#else
  at::Tensor encode(at::Tensor& rgb) const { return rgb.mul_(0.5); }
#endif
  at::Tensor expand(const at::Tensor& encoded) const { return encoded; }
};
static_assert(serpette::ColorMode<Sepia>);

// expect-error: Value, Owner
#include <memory>

#include "serpette/concepts/color_mode.hpp"

struct Owner {
  static constexpr std::string_view name = "Owner";
  static constexpr int channels = 3;
#ifdef PASSING_TWIN
  std::shared_ptr<const at::Tensor> table{};
#else
  std::unique_ptr<at::Tensor> table{};
#endif
  at::Tensor encode(const at::Tensor& rgb) const { return rgb; }
  at::Tensor expand(const at::Tensor& encoded) const { return encoded; }
};
static_assert(serpette::ColorMode<Owner>);

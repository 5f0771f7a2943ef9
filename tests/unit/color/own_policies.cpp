// The colour mode that docs/policies/color_mode.md writes.

#include "serpette/laws/color_mode.hpp"
#include "serpette/torch/ops.hpp"
#include "support/catch.hpp"

namespace {

// [color]
/// Old photographs: luma in brown, on one channel that an attack perturbs.
struct Sepia {
  static constexpr std::string_view name = "Sepia";
  static constexpr int channels = 1;

  at::Tensor encode(const at::Tensor& rgb) const { return rgb.mean(1, /*keepdim=*/true); }
  at::Tensor expand(const at::Tensor& encoded) const {
    return at::cat({encoded, encoded * 0.85, encoded * 0.65}, 1);
  }
};
static_assert(serpette::ColorMode<Sepia>);
// [color]

}  // namespace

TEST_CASE("a colour mode of one's own holds the laws of the concept", "[color][law]") {
  serpette::laws::color_mode(Sepia{});
}

// Attacks as people write them: the one of the essay and the page, and plain noise.

#include "../../../examples/veil.hpp"
#include "serpette/laws/attack.hpp"
#include "support/catch.hpp"

namespace {

/// Uniform noise.
struct PlainNoise {
  static constexpr std::string_view name = "PlainNoise";
  double epsilon = 0.05;

  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator& rng) const {
    const auto noise = at::empty(images.sizes()).uniform_(-epsilon, epsilon, rng.torch());
    return (images + noise.to(images.device())).clamp(0, 1);
  }
};

}  // namespace

TEST_CASE("attacks of one's own hold the laws of the concept", "[attack][law]") {
  serpette::laws::attack(Veil{}, Veil{}.strength);
  serpette::laws::attack(PlainNoise{}, PlainNoise{}.epsilon);
  CHECK(serpette::settings_text(Veil{}) == "Veil{strength=0.05}");
}

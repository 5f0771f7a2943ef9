#include "serpette/laws/attack.hpp"

#include <utility>

#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/mtd.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/noise.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/pgd_l2.hpp"
#include "serpette/attack/restarts.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "support/catch.hpp"

using namespace serpette;

namespace {

/// In coarser numbers the ball is as round as they are: to half of their last place below 1.
template <Attack P>
void in_coarse_numbers(const P& policy, double epsilon) {
  INFO("attack: " << P::name);
  for (const auto& [type, rounding] :
       {std::pair(at::kHalf, 0x1p-12), std::pair(at::kBFloat16, 0x1p-9)}) {
    const at::Tensor images = laws::detail::images_to_attack().to(type);
    const at::Tensor attacked = laws::detail::attacked(
        policy, images, laws::distance_from(at::rand({3, 3, 8, 8}).to(type)));
    CHECK(attacked.scalar_type() == type);
    CHECK((attacked.to(at::kDouble) - images.to(at::kDouble)).abs().max().item<double>() <=
          epsilon + rounding);
    CHECK((attacked.min().item<double>() >= 0 && attacked.max().item<double>() <= 1));
    // A loss that is flat gives no direction here either, and no NaN.
    const auto flat = [](const at::Tensor& x, const Aim&) {
      return Ascent{at::zeros({x.size(0)}, x.options()), at::zeros_like(x)};
    };
    const at::Tensor still = laws::detail::attacked(policy, images, flat, 2);
    CHECK(((still.to(at::kDouble) - images.to(at::kDouble)).abs() <= epsilon + rounding)
              .all()
              .template item<bool>());
  }
}

/// Every attack that ships but NoAttack holds to all of it.
template <Attack P>
void all_laws(const P& policy, double epsilon) {
  laws::attack(policy, epsilon);
  laws::attack_raises_loss(policy);
  laws::attack_refuses_other_images(policy);
  in_coarse_numbers(policy, epsilon);
}

}  // namespace

TEST_CASE("every attack holds the laws", "[attack][law]") {
  laws::attack(NoAttack{}, 0);
  all_laws(Fgsm{}, 0.05);
  all_laws(Fgsm{.epsilon = 0}, 0);
  all_laws(Pgd{}, 0.05);
  all_laws(Pgd{.steps = 0}, 0.05);
  all_laws(Pgd{.epsilon = 0.02, .random_start = true}, 0.02);
  all_laws(Pgd{.epsilon = 0.5, .step = 0.2, .norm = Norm::kL2}, 0.5);
  all_laws(Pgd{.epsilon = 0.5, .step = 0.2, .random_start = true, .norm = Norm::kL2}, 0.5);
  all_laws(Apgd{}, 0.05);
  all_laws(Apgd{.steps = 0}, 0.05);
  all_laws(Square{.queries = 100}, 0.05);
  all_laws(CarliniWagner{}, 0.05);
  all_laws(CarliniWagner{.epsilon = 0}, 0);
  all_laws(Mtd{}, 0.05);
  all_laws(PgdL2{.epsilon = 0.5, .step = 0.2}, 0.5);
  all_laws(Restarts<Pgd>{{.random_start = true}}, 0.05);
  laws::attack(Noise{}, 0.05);
  laws::attack_refuses_other_images(Noise{});
  all_laws(TogUntargeted{}, 8.0 / 255);
  all_laws(TogVanishing{}, 8.0 / 255);
  all_laws(TogFabrication{}, 8.0 / 255);
  all_laws(TogMislabelling{}, 8.0 / 255);
}

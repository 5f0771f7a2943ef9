#include "serpette/laws/attack.hpp"

#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/mtd.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "support/catch.hpp"

using namespace serpette;

TEST_CASE("every attack holds the laws", "[attack][law]") {
  laws::attack(NoAttack{}, 0);
  laws::attack(Fgsm{}, 0.05);
  laws::attack(Fgsm{.epsilon = 0}, 0);
  laws::attack(Pgd{}, 0.05);
  laws::attack(Pgd{.steps = 0}, 0.05);
  laws::attack(Pgd{.epsilon = 0.02, .random_start = true}, 0.02);
  laws::attack(Pgd{.epsilon = 0.5, .step = 0.2, .norm = Norm::kL2}, 0.5);
  laws::attack(Pgd{.epsilon = 0.5, .step = 0.2, .random_start = true, .norm = Norm::kL2}, 0.5);
  laws::attack(Apgd{}, 0.05);
  laws::attack(Apgd{.steps = 0}, 0.05);
  laws::attack(Square{.queries = 100}, 0.05);
  laws::attack(CarliniWagner{}, 0.05);
  laws::attack(CarliniWagner{.epsilon = 0}, 0);
  laws::attack(Mtd{}, 0.05);
  laws::attack(TogUntargeted{}, 8.0 / 255);
  laws::attack(TogVanishing{}, 8.0 / 255);
  laws::attack(TogFabrication{}, 8.0 / 255);
  laws::attack(TogMislabelling{}, 8.0 / 255);
}

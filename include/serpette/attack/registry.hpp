#pragma once

#include <boost/hana/tuple.hpp>

#include "serpette/attack/apgd.hpp"
#include "serpette/attack/carlini_wagner.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/mtd.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/noise.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/pgd_l2.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/concepts/registry.hpp"

namespace serpette {

/// Every attack that ships, by the word that people type. A user's own joins with
/// `boost::hana::append(kAttacks, Entry<Mine>{"mine"})`.
inline constexpr auto kAttacks = boost::hana::make_tuple(
    Entry<NoAttack>{"none"}, Entry<Fgsm>{"fgsm"}, Entry<Pgd>{"pgd"}, Entry<PgdL2>{"pgd-l2"},
    Entry<Apgd>{"apgd"}, Entry<Square>{"square"}, Entry<CarliniWagner>{"cw"},
    Entry<TogUntargeted>{"tog-untargeted"}, Entry<TogVanishing>{"tog-vanishing"},
    Entry<TogFabrication>{"tog-fabrication"}, Entry<TogMislabelling>{"tog-mislabelling"},
    Entry<Mtd>{"mtd"}, Entry<Noise>{"noise"});

}  // namespace serpette

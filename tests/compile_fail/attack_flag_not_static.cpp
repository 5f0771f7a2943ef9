// expect-error: IdentityFlagIsConstant, Idle
#include "serpette/concepts/attack.hpp"

struct Idle {
  static constexpr std::string_view name = "Idle";
#ifdef PASSING_TWIN
  static constexpr bool is_identity = true;
#else
  bool is_identity = true;
#endif
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator&) const {
    return images;
  }
};
static_assert(serpette::Attack<Idle>);

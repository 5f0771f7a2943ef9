// expect-error: PerturbsImages, Plain
#include "serpette/concepts/attack.hpp"

struct Plain {
  static constexpr std::string_view name = "Plain";
#ifdef PASSING_TWIN
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator&) const {
    return images;
  }
#else
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images) const { return images; }
#endif
};
static_assert(serpette::Attack<Plain>);

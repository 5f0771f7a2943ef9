// expect-error: PerturbsImages, Crossed
#include "serpette/concepts/attack.hpp"

struct Crossed {
  static constexpr std::string_view name = "Crossed";
#ifdef PASSING_TWIN
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator&) const {
    return images;
  }
#else
  at::Tensor perturb(const at::Tensor& images, const serpette::Victim&,
                     serpette::Generator&) const {
    return images;
  }
#endif
};
static_assert(serpette::Attack<Crossed>);

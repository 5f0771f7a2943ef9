// expect-error: PerturbsImages, InPlace
#include "serpette/concepts/attack.hpp"

struct InPlace {
  static constexpr std::string_view name = "In place";
#ifdef PASSING_TWIN
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator&) const {
    return images;
  }
#else
  void perturb(const serpette::Victim&, at::Tensor&, serpette::Generator&) const {}
#endif
};
static_assert(serpette::Attack<InPlace>);

// expect-error: PerturbsImages, Counting
#include "serpette/concepts/attack.hpp"

struct Counting {
  static constexpr std::string_view name = "Counting";
#ifdef PASSING_TWIN
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator&) const {
    return images;
  }
#else
  int calls = 0;
  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images, serpette::Generator&) {
    ++calls;  // what a run accumulates is no setting
    return images;
  }
#endif
};
static_assert(serpette::Attack<Counting>);

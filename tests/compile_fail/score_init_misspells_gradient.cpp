// expect-error: TrainsByGradient, Learned
#include "serpette/concepts/score_init.hpp"

struct Learned {
  static constexpr std::string_view name = "Learned";

  struct Optimizer {
    double learning_rate = 0.1, momentum = 0.9;
#ifdef PASSING_TWIN
    at::Tensor gradient(const at::Tensor& effective, const at::Tensor& weight,
                        const at::Tensor&) const {
#else
    at::Tensor gradients(const at::Tensor& effective, const at::Tensor& weight,
                         const at::Tensor&) const {
#endif
      return effective.mul(weight);
    }
  } optimizer{};

  at::Tensor score(const serpette::LayerView& layer, serpette::Generator&) const {
    return layer.weight;
  }
};
static_assert(serpette::ScoreInit<Learned>);

#pragma once

#include <ATen/OpMathType.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <array>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// How the size of a perturbation δ is measured, per image.
enum class Norm {
  kLinf,  ///< max |δ|, in pixel values.
  kL2,    ///< √Σ δ², over all channels and pixels of the image.
};

constexpr auto words(Norm) {
  return std::array<Word<Norm>, 2>{{{"linf", Norm::kLinf}, {"l2", Norm::kL2}}};
}

/// The images an attack may return: within `epsilon` of the originals and inside [0, 1].
/// @throws Error  on construction if epsilon is negative or NaN, or images are no [N, C, H, W]
/// float in [0, 1].
class Ball {
 public:
  Ball(std::string_view attack, const at::Tensor& centre, double epsilon, Norm norm = Norm::kLinf)
      : centre_(centre.detach()), epsilon_(epsilon), norm_(norm) {
    require(epsilon >= 0, attack, "epsilon should be at least 0, got {}", epsilon);
    require(centre_.dim() == 4 && centre_.is_floating_point(), attack,
            "images should be a float tensor [N, C, H, W], got {} dimensions", centre_.dim());
    if (centre_.numel() == 0) return;
    const auto [lowest, highest] = at::aminmax(centre_);
    const auto ends = at::stack({lowest, highest}).to(at::kCPU, at::kDouble);
    const double low = ends.const_data_ptr<double>()[0], high = ends.const_data_ptr<double>()[1];
    require(low >= 0 && high <= 1, attack, "images should lie in [0, 1], got values from {} to {}",
            low, high);
  }

  /// √Σ over everything but the first dimension: [N, 1, 1, 1], at least float, since half has room
  /// neither for what keeps a quotient from 0 / 0 nor for the length of a large gradient.
  static at::Tensor length(const at::Tensor& x) {
    return x.flatten(1).to(at::toOpMathType(x.scalar_type())).norm(2, 1).view({-1, 1, 1, 1});
  }

  /// The nearest point of the ball, then of [0, 1] (which only comes closer to the centre).
  [[nodiscard]] at::Tensor project(const at::Tensor& images) const {
    auto delta = images - centre_;
    if (norm_ == Norm::kLinf) {
      delta = delta.clamp(-epsilon_, epsilon_);
    } else {
      // A zero δ has the factor ε / 0 = ∞ (or 0 / 0 at ε = 0): clamped to 1 from above, and 0
      // either way.
      delta = (delta * (epsilon_ / length(delta).clamp_min(kTiny)).clamp_max(1))
                  .to(centre_.scalar_type());
    }
    return (centre_ + delta).clamp(0, 1);
  }

  /// Unit step of steepest ascent: sign g for L∞, g / ‖g‖ for L2 (0 where the gradient vanishes).
  [[nodiscard]] at::Tensor direction(const at::Tensor& gradient) const {
    if (norm_ == Norm::kLinf) return gradient.sign();
    return (gradient / (length(gradient) + kTiny)).to(gradient.scalar_type());
  }

  /// A random point: uniform in the cube for L∞; for L2 a uniform direction with a uniform radius.
  [[nodiscard]] at::Tensor sample(Generator& rng) const {
    auto noise = at::empty(centre_.sizes(), centre_.options().device(at::kCPU));
    if (norm_ == Norm::kLinf) {
      noise.uniform_(-epsilon_, epsilon_, rng.torch());
    } else {
      noise.normal_(0, 1, rng.torch());
      auto radius =
          at::empty({noise.size(0), 1, 1, 1}, noise.options()).uniform_(0, epsilon_, rng.torch());
      noise = (noise * (radius / length(noise).clamp_min(kTiny))).to(noise.scalar_type());
    }
    return project(centre_ + noise.to(centre_.device()));
  }

  [[nodiscard]] const at::Tensor& centre() const { return centre_; }
  [[nodiscard]] double epsilon() const { return epsilon_; }

 private:
  static constexpr double kTiny = 1e-10;

  at::Tensor centre_;
  double epsilon_;
  Norm norm_;
};

}  // namespace serpette

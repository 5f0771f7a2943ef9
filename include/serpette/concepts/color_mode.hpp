#pragma once

#include <concepts>
#include <type_traits>

#include "serpette/concepts/named.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

namespace req {
/// `static constexpr int channels`: how many an image has in this mode; attacks perturb these. A
/// number that the compiler does not know is none.
template <class P>
concept CountsChannels = requires { typename std::integral_constant<int, int(P::channels)>; };
/// RGB [N, 3, H, W] in [0, 1] → [N, channels, H, W] in [0, 1].
template <class P>
concept EncodesRgb = requires(const P& p, const at::Tensor& rgb) {
  { p.encode(rgb) } -> std::same_as<at::Tensor>;
};
/// [N, channels, H, W] → network input [N, 3, H, W]; differentiable.
template <class P>
concept ExpandsToNetwork = requires(const P& p, const at::Tensor& encoded) {
  { p.expand(encoded) } -> std::same_as<at::Tensor>;
};
}  // namespace req

/// What the detector sees of an image's colour, in training, attack and evaluation alike. The
/// network reads `expand(encode(rgb))`; an attack perturbs `encode(rgb)`, so a grey image stays
/// grey under attack.
template <class P>
concept ColorMode = req::Value<P> && req::Named<P> && req::CountsChannels<P> &&
                    req::EncodesRgb<P> && req::ExpandsToNetwork<P>;

}  // namespace serpette

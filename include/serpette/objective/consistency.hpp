#pragma once

#include <ATen/ops/softplus.h>
#include <range/v3/view/zip.hpp>

#include <vector>

#include "serpette/torch/operators.hpp"

namespace serpette {

/// Relative entropy of two probabilities given by their logits:
///   KL(σ(a) ‖ σ(b)) = σ(a)·(a − b) + softplus(b) − softplus(a).
inline at::Tensor bernoulli_divergence(const at::Tensor& a, const at::Tensor& b) {
  return a.sigmoid() * (a - b) + at::softplus(b) - at::softplus(a);
}

/// How far heads are from the reference heads, per image:
///   Σ over predictions of  KL(objectness) + σ(o)·[ Σ_c KL(class_c) + KL(tx) + KL(ty)
///                                                   + ½(tw − tw')² + ½(th − th')² ],
/// KL of the probabilities that the logits stand for, from the reference's; o the reference's
/// objectness, a constant: what is background may have any class and box.
/// @param reference, heads  raw logits [N, A·(5 + C), h, w] of the same detector's heads.
/// @param classes           C.
/// @return                  scalar, the mean over the N images; differentiable by both.
inline at::Tensor divergence(const std::vector<at::Tensor>& reference,
                             const std::vector<at::Tensor>& heads, int classes) {
  at::Tensor sum;
  for (auto&& [from, to] : ranges::views::zip(reference, heads)) {
    const auto split = [&](const at::Tensor& head) {  // [N, A, 5 + C, h, w]
      return head.unflatten(1, {head.size(1) / (5 + classes), 5 + classes});
    };
    const auto a = split(from), b = split(to);
    const auto objectness = a.narrow(2, 4, 1);
    const auto size = (a.narrow(2, 2, 2) - b.narrow(2, 2, 2)).square() / 2;
    const auto of_objects =
        bernoulli_divergence(a.narrow(2, 5, classes), b.narrow(2, 5, classes)).sum(2, true) +
        bernoulli_divergence(a.narrow(2, 0, 2), b.narrow(2, 0, 2)).sum(2, true) + size.sum(2, true);
    const auto all = bernoulli_divergence(objectness, b.narrow(2, 4, 1)).sum() +
                     (objectness.detach().sigmoid() * of_objects).sum();
    sum = sum.defined() ? sum + all : all;
  }
  return sum / heads.front().size(0);
}

}  // namespace serpette

#pragma once

#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <cstdint>
#include <utility>

#include "serpette/torch/nn.hpp"

namespace serpette {

/// Who answers for which truth, for one head. K predictions of it are positive: each holds one
/// box, and the classes of all truths that meet in its place.
struct HeadAssignment {
  at::Tensor image, slot, row, column;  ///< [K] int64: where the positives are; no two are equal.
  at::Tensor box;                       ///< [K, 4] targets of σ(tx), σ(ty), tw, th.
  at::Tensor
      box_weight;  ///< [K] 2 − w·h of the truth, fractions of the canvas: small boxes count more.
  at::Tensor classes;     ///< [K, C] 1 where the class probability should be 1, else 0.
  at::Tensor background;  ///< [N, A, h, w] 1 where the objectness should be 0, else 0 (positive or
                          ///< ignored).
  double scale_x_y = 1;   ///< The head's.
  bool new_coords = false;  ///< The head's: σ(tw), σ(th) meet their targets, not tw, th.

  /// The positives on a device, sent as two tensors; without background.
  [[nodiscard]] HeadAssignment to(at::Device device) && {
    if (device.is_cpu()) return std::move(*this);
    const auto places = at::stack({image, slot, row, column}).to(device);
    const auto values = at::cat({box, box_weight.unsqueeze(1), classes}, 1).to(device);
    return {places[0],           places[1],          places[2], places[3], values.narrow(1, 0, 4),
            values.select(1, 4), values.slice(1, 5), {},        scale_x_y, new_coords};
  }
};

namespace detail {

/// The logits [K, 5 + C] of the positives among [N, A, 5 + C, h, w].
inline at::Tensor at_positives(const at::Tensor& logits, const HeadAssignment& a) {
  return logits.permute({0, 1, 3, 4, 2}).index({a.image, a.slot, a.row, a.column});
}

/// The loss of one head (YoloLoss has the formula) by box, objectness and classes, [N] each, with
/// its gradient in closed form:
///   box         (2 − w·h)·s·(σ(tx) − t̂x),  likewise ty;  (2 − w·h)·(tw − t̂w), likewise th
///               with new_coords (2 − w·h)·(σ(tw) − t̂w)·σ'(tw)
///   objectness  σ(o) − 1 at positives, σ(o) over the background, else 0
///   classes     σ(class_c) − [c is a truth's]  at positives
/// The gradient is as large as the head, and nearly all of it is 0: it is written once, where
/// autograd would add up a tensor of that size for every term.
struct HeadLoss : torch::autograd::Function<HeadLoss> {
  using Context = torch::autograd::AutogradContext;

  /// @param head     raw logits [N, A·(5 + C), h, w], in any memory format.
  /// @param anchors  A.
  static torch::autograd::variable_list forward(Context* context, const at::Tensor& head,
                                                std::int64_t anchors, const HeadAssignment& a) {
    const auto logits = head.unflatten(1, {anchors, head.size(1) / anchors});
    const auto objectness = logits.select(2, 4).contiguous();
    const auto of_background = (a.background * at::softplus(objectness)).sum({1, 2, 3});
    const auto p = at_positives(logits, a);
    const auto wanted = a.classes.to(p.scalar_type());
    const auto centre = bce(p.narrow(1, 0, 2), a.box.narrow(1, 0, 2)).sum(1) * a.scale_x_y;
    const auto sides = p.narrow(1, 2, 2);
    const auto size =
        ((a.new_coords ? sides.sigmoid() : sides) - a.box.narrow(1, 2, 2)).square().sum(1) * 0.5;
    const auto none = at::zeros({head.size(0)}, head.options());

    context->save_for_backward({objectness, p, wanted, a.image, a.slot, a.row, a.column, a.box,
                                a.box_weight, a.background});
    context->saved_data["shape"] = head.sizes().vec();
    context->saved_data["scale_x_y"] = a.scale_x_y;
    context->saved_data["new_coords"] = a.new_coords;
    context->saved_data["channels_last"] =
        head.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
    return {none.index_add(0, a.image, a.box_weight * (centre + size)),
            of_background.index_add(0, a.image, at::softplus(-p.select(1, 4))),
            none.index_add(0, a.image, bce(p.narrow(1, 5, wanted.size(1)), wanted).sum(1))};
  }

  static torch::autograd::variable_list backward(Context* context,
                                                 const torch::autograd::variable_list& by) {
    const auto saved = context->get_saved_variables();
    const auto &objectness = saved[0], &p = saved[1], &wanted = saved[2], &image = saved[3],
               &slot = saved[4], &row = saved[5], &column = saved[6], &box = saved[7],
               &box_weight = saved[8], &background = saved[9];
    const auto shape = context->saved_data["shape"].toIntVector();
    const auto format = context->saved_data["channels_last"].toBool()
                            ? at::MemoryFormat::ChannelsLast
                            : at::MemoryFormat::Contiguous;
    const auto of_head = at::empty(shape, p.options(), format).zero_();
    const auto of_logits = of_head.unflatten(1, {objectness.size(1), p.size(1)});
    of_logits.select(2, 4).copy_(objectness.sigmoid() * background * by[1].view({-1, 1, 1, 1}));

    const auto of_image = [&](const at::Tensor& part) { return part.index({image}).unsqueeze(1); };
    const bool new_coords = context->saved_data["new_coords"].toBool();
    auto of_p = p.sigmoid();
    if (!new_coords) of_p.narrow(1, 2, 2).copy_(p.narrow(1, 2, 2));
    const auto slope = of_p.narrow(1, 2, 2) * (1 - of_p.narrow(1, 2, 2));
    of_p.narrow(1, 0, 4).sub_(box).mul_(box_weight.unsqueeze(1) * of_image(by[0]));
    of_p.narrow(1, 0, 2).mul_(context->saved_data["scale_x_y"].toDouble());
    if (new_coords) of_p.narrow(1, 2, 2).mul_(slope);
    of_p.narrow(1, 4, 1).sub_(1).mul_(of_image(by[1]));
    of_p.narrow(1, 5, wanted.size(1)).sub_(wanted).mul_(of_image(by[2]));
    of_logits.permute({0, 1, 3, 4, 2}).index_put_({image, slot, row, column}, of_p);
    return {of_head, at::Tensor(), at::Tensor()};
  }

 private:
  static at::Tensor bce(const at::Tensor& logits, const at::Tensor& target) {
    return at::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::None);
  }
};

}  // namespace detail

}  // namespace serpette

#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/replication_pad2d.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// What an attribution compares the image with: the picture that is to mean "nothing to see".
enum class Reference {
  kZeros,          ///< Black.
  kLetterboxGrey,  ///< 0.5 everywhere, the colour of the letterbox's borders.
  kImageMean,      ///< Each image's own mean colour.
  kBlurred,        ///< Each image under a Gaussian of σ = 1/16 of its longer side.
  kCleanTwin,  ///< The clean image, for its attacked twin; batches hold the twins behind the clean
               ///< images.
};

constexpr auto words(Reference) {
  return std::array<Word<Reference>, 5>{{{"zeros", Reference::kZeros},
                                         {"grey", Reference::kLetterboxGrey},
                                         {"mean", Reference::kImageMean},
                                         {"blurred", Reference::kBlurred},
                                         {"clean-twin", Reference::kCleanTwin}}};
}

/// Whether one reference serves every image, so that its activations are computed once.
constexpr bool is_constant(Reference reference) {
  return reference == Reference::kZeros || reference == Reference::kLetterboxGrey;
}

namespace detail {
/// Gaussian blur by two passes, edges repeated.
inline at::Tensor blur(const at::Tensor& images, double sigma) {
  const auto radius = std::max<std::int64_t>(1, static_cast<std::int64_t>(2.5 * sigma));
  const auto offset = at::arange(-radius, radius + 1, images.options());
  auto kernel = (offset.square() / (-2 * sigma * sigma)).exp();
  kernel = (kernel / kernel.sum()).expand({images.size(1), 1, 1, 2 * radius + 1});
  const auto across = [&](const at::Tensor& x) {
    const auto padded = at::replication_pad2d(x, {radius, radius, 0, 0});
    return at::conv2d(padded, kernel, {}, {1, 1}, at::IntArrayRef({0, 0}), {1, 1}, x.size(1));
  };
  return across(across(images).transpose(2, 3).contiguous()).transpose(2, 3).contiguous();
}
}  // namespace detail

/// The references of a batch.
/// @param images  [N, C, H, W].
/// @return        [1, C, H, W] for a constant reference, else like `images`.
/// @throws Error  for kCleanTwin, which no function of the images can give.
inline at::Tensor reference_images(Reference reference, const at::Tensor& images) {
  const auto one = images.narrow(0, 0, 1);
  switch (reference) {
    case Reference::kZeros:
      return one.new_zeros(one.sizes());
    case Reference::kLetterboxGrey:
      return one.new_full(one.sizes(), 0.5);
    case Reference::kImageMean:
      return images.mean({2, 3}, true).expand_as(images);
    case Reference::kBlurred:
      return detail::blur(images,
                          static_cast<double>(std::max(images.size(2), images.size(3))) / 16);
    case Reference::kCleanTwin:
      break;
  }
  fail("reference",
       "a clean twin should come with the batch, it cannot be made from the attacked image");
}

}  // namespace serpette

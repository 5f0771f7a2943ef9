#pragma once

#include <torch/cuda.h>

#include <array>
#include <cstddef>
#include <vector>

#include "serpette/concepts/dataset.hpp"
#include "serpette/concepts/detector.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/view.hpp"
#include "serpette/metric/stopwatch.hpp"

namespace serpette {

/// Time per image at batch 1 [ms], in its three parts and their sum.
struct InferenceTime {
  Statistics input;    ///< Decoding the file, letterboxing, colour mode, copy to the device.
  Statistics network;  ///< Image to raw heads, device synchronised.
  Statistics post;     ///< Threshold, decoding, suppression, boxes on the host.
  Statistics total;
};

/// Times a network as it would be used: one clean image after the other in the order of the data
/// set, after a warm-up, the device synchronised between the parts. Every image is read and run
/// once, and post-processed once per confidence threshold.
/// @param network  `network(images)` gives the heads.
/// @return         per threshold; input and network are the same measurement in each.
template <Detector D, class Network, Dataset Test, std::size_t N>
std::array<InferenceTime, N> time_inference(const D& detector, Network&& network, const Test& test,
                                            const ErasedColorMode& color,
                                            const std::array<double, N>& confidences,
                                            const EvaluateSettings& settings, at::Device device) {
  const at::NoGradGuard no_grad;
  const auto synchronize = [&] {
    if (device.is_cuda()) torch::cuda::synchronize(device.index());
  };
  std::vector<double> input, forward;
  std::array<std::vector<double>, N> post, total;
  for (std::int64_t i = -settings.timing_warmup; i < settings.timing_images; ++i) {
    Stopwatch watch;
    auto image = test.load((i + settings.timing_warmup) % test.size());
    if (image.size() == 0) continue;  // unreadable
    image.images = network_images(color, image.images.to(device));
    synchronize();
    const double read = watch.milliseconds();
    const auto heads = network(image.images);
    synchronize();
    const double before = watch.milliseconds();
    for (std::size_t k = 0; k < N; ++k) {
      const double begin = watch.milliseconds();
      (void)detector.detections(heads, image, confidences[k]);
      const double took = watch.milliseconds() - begin;
      if (i < 0) continue;
      post[k].push_back(took);
      total[k].push_back(before + took);
    }
    if (i < 0) continue;
    input.push_back(read);
    forward.push_back(before - read);
  }
  std::array<InferenceTime, N> times;
  for (std::size_t k = 0; k < N; ++k)
    times[k] = {statistics_of(input), statistics_of(forward), statistics_of(post[k]),
                statistics_of(total[k])};
  return times;
}

}  // namespace serpette

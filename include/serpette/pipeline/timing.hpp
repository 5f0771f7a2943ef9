#pragma once

#include <functional>
#include <vector>

#include "serpette/metric/stopwatch.hpp"
#include "serpette/pipeline/view.hpp"
#include "serpette/pipeline/evaluate.hpp"

namespace serpette {

/// Time per image at batch 1, in its three parts [ms].
struct InferenceTime {
  Statistics input;    ///< Decoding the file, letterboxing, colour mode, copy to the device.
  Statistics network;  ///< Image to raw heads, device synchronised.
  Statistics post;     ///< Threshold, decoding, suppression, boxes on the host.
  Statistics total;
};

/// Times a network as it would be used: one image after the other, after a warm-up, the device synchronised between
/// the parts. Clean images, in the order of the data set.
template <Detector D, class Network, Dataset Test, ColorMode Color>
InferenceTime time_inference(const D& detector, Network& network, const Test& test, const Color& color,
                             double confidence, const EvaluateSettings& settings, at::Device device) {
  torch::NoGradGuard no_grad;
  const auto synchronize = [&] {
    if (device.is_cuda()) torch::cuda::synchronize(device.index());
  };
  std::vector<double> input, network_ms, post, total;
  for (std::int64_t i = -settings.timing_warmup; i < settings.timing_images; ++i) {
    const auto index = (i + settings.timing_warmup) % test.size();
    Stopwatch watch;
    auto image = test.load(index);
    if (image.size() == 0) continue;  // unreadable
    image.images = network_images(color, image.images.to(device));
    synchronize();
    const double a = watch.milliseconds();
    const auto heads = network.forward(image.images);
    synchronize();
    const double b = watch.milliseconds();
    const auto found = detector.detections(heads, image, confidence);
    const double c = watch.milliseconds();
    if (i < 0) continue;
    input.push_back(a);
    network_ms.push_back(b - a);
    post.push_back(c - b);
    total.push_back(c);
  }
  return {statistics_of(input), statistics_of(network_ms), statistics_of(post), statistics_of(total)};
}

}  // namespace serpette

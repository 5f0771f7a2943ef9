#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "serpette/concepts/detector.hpp"
#include "serpette/concepts/erased.hpp"
#include "serpette/method/together.hpp"
#include "serpette/method/view.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// Gives the next batch of training views whenever it is called.
class BatchSource {
 public:
  template <class Next>
    requires std::is_invocable_r_v<ImageBatch, Next&>
  BatchSource(Next next)  // NOLINT(google-explicit-constructor): any callable is one
      : next_(std::move(next)) {}
  /// @param skip  passes over so many batches without making them.
  BatchSource(std::function<ImageBatch()> next, std::function<void(std::int64_t)> skip)
      : next_(std::move(next)), skip_(std::move(skip)) {}

  ImageBatch operator()() const { return next_(); }
  void skip(std::int64_t batches) const {
    if (skip_) return skip_(batches);
    for (std::int64_t i = 0; i < batches; ++i) (void)next_();
  }

 private:
  std::function<ImageBatch()> next_;
  std::function<void(std::int64_t)> skip_;
};

/// Takes batch norm's running statistics anew: the mean over batches of the batches' own, with the
/// weights as they are. After masking, the statistics of the unpruned network are another
/// network's. Nothing else of the detector changes. Cost: one forward pass per batch.
/// @param next    on any device.
/// @param images  how many to look at, rounded up to whole batches; of all processes together.
/// @throws Error  if a batch has no readable image.
template <Detector D>
void reestimate_statistics(D& detector, const BatchSource& next, const ErasedColorMode& color,
                           std::int64_t images, at::Device device) {
  const torch::NoGradGuard no_grad;
  const double momentum = detector.momentum();
  const auto processes = peers_of(detector).share.size;
  detector.train(true);
  std::int64_t seen = 0;
  for (int k = 1; seen < images; ++k) {
    const auto batch = next().to(device);
    require(batch.size() > 0, "batch norm statistics",
            "should find readable images for every batch, got none in batch {}", k);
    detector.set_momentum(1.0 / k);  // r ← (1 − 1/k)·r + 1/k·batch: the mean so far
    (void)detector.forward(network_images(color, batch.images));
    seen += batch.size() * processes;
  }
  detector.train(false);
  detector.set_momentum(momentum);
}

}  // namespace serpette

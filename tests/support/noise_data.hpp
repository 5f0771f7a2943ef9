#pragma once

#include <memory>
#include <span>
#include <vector>

#include "serpette/concepts/dataset.hpp"
#include "serpette/core/share.hpp"
#include "serpette/io/image.hpp"

namespace serpette::test {

/// A Dataset in memory: noise images with one box each, for pipelines that should run, not learn.
class NoiseData {
 public:
  explicit NoiseData(std::int64_t size, std::uint64_t seed, int side = 16) : side_(side) {
    Generator rng{Seed(seed)};
    images_ = at::rand({size, 3, side, side}, rng.torch());
    instances_.categories = {{1, "a"}, {2, "b"}};
    for (std::int64_t i = 0; i < size; ++i) {
      instances_.images.push_back({i + 1, "", side, side});
      const double w = rng.uniform(4, 8), h = rng.uniform(4, 8);
      const Box box{rng.uniform(0, side - w), rng.uniform(0, side - h), w, h};
      instances_.annotations.push_back(
          {i + 1, i + 1, static_cast<int>(rng.below(2)), box, box.area(), false});
    }
  }

  [[nodiscard]] std::int64_t size() const { return images_.size(0); }
  [[nodiscard]] const Instances& instances() const { return instances_; }
  [[nodiscard]] ImageBatch load(std::int64_t index) const { return batch(std::vector{index}); }

  /// A grey picture: what a cell's sample is drawn on.
  [[nodiscard]] std::shared_ptr<const Image> picture(std::int64_t) const {
    Image grey{side_, side_, {}};
    grey.rgb.assign(static_cast<std::size_t>(3 * side_ * side_), 128);
    return std::make_shared<const Image>(std::move(grey));
  }

  [[nodiscard]] ImageBatch batch(std::span<const std::int64_t> indices) const {
    ImageBatch b;
    std::vector<at::Tensor> images;
    std::vector<float> truth;
    for (const auto i : indices) {
      const auto& a = instances_.annotations[static_cast<std::size_t>(i)];
      const auto s = static_cast<float>(side_);
      for (const double v :
           {double(b.image_ids.size()), double(a.category), (a.box.x + a.box.width / 2) / s,
            (a.box.y + a.box.height / 2) / s, a.box.width / s, a.box.height / s})
        truth.push_back(static_cast<float>(v));
      images.push_back(images_[i]);
      b.image_ids.push_back(a.image_id);
      b.geometry.push_back(Letterbox::fit(side_, side_, side_, side_));
    }
    b.images = at::stack(images);
    b.truth = at::tensor(truth).view({-1, 6});
    return b;
  }

  [[nodiscard]] ImageBatch augmented(std::span<const std::int64_t> indices, Seed seed,
                                     Share share = {}) const {
    auto b = batch(indices);
    for (std::int64_t i = 0; i < b.size(); ++i) {
      Generator rng(seed.derive(static_cast<std::uint64_t>(share.rank + i * share.size)));
      b.images[i].add_(at::rand(b.images[i].sizes(), rng.torch()) * 0.1).clamp_(0, 1);
    }
    return b;
  }

 private:
  int side_;
  at::Tensor images_;
  Instances instances_;
};
static_assert(Dataset<NoiseData>);

}  // namespace serpette::test

#include "serpette/runtime.hpp"

#include <algorithm>
#include <utility>

#include "serpette/core/contract.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/data/bilinear.hpp"
#include "serpette/data/letterbox_into.hpp"
#include "serpette/deploy/change_layout.hpp"
#include "serpette/deploy/execution.hpp"
#include "serpette/deploy/our_forms.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/detector/candidates.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/class_names.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

using deploy::ConstMap;
using deploy::Layout;
using deploy::Map;

struct Runtime::Held {
  deploy::OurExecution plan;
  int threads;
  std::vector<std::string> names;
  std::vector<int> head_layers;
  std::vector<float> canvas;  // [3, height, width]
  BilinearWriter writer;
  Candidates candidates;

  Held(const std::filesystem::path& path, int threads_)
      : plan(load(path, threads_)),
        threads(threads_),
        names(plan.labels.class_names),
        head_layers(plan.graph().heads()) {
    const auto& in = plan.graph().input;
    require(in.channels == 3, path.string(), "should be a plan for pictures of 3 channels, got {}",
            in.channels);
    for (int c = static_cast<int>(names.size()); c < plan.graph().classes(); ++c)
      names.push_back(numbered_class(c));
    canvas.resize(std::size_t(3) * std::size_t(in.height) * std::size_t(in.width));
  }

  static deploy::OurExecution load(const std::filesystem::path& path, int threads) {
    constexpr int kMost = 1024;  // OpenMP's runtimes end the program where they cannot start more
    require(threads >= 0 && threads <= kMost, "threads", "should be from 0 to {}, got {}", kMost,
            threads);
    const deploy::WithThreads limit(threads);
    return deploy::load_plan<deploy::OurExecution>(path);
  }

  /// What is in the picture on the canvas.
  std::vector<Detection> detect(const Letterbox& geometry, const DecodeOptions& options) {
    const deploy::WithThreads limit(threads);
    if (plan.labels.greyscale) make_grey();
    candidates.begin(options.confidence);
    plan.run(canvas.data(), [&](std::size_t k, const ConstMap& logits) {
      candidates.add({logits.data, logits.channel_step, logits.cell_step},
                     plan.graph().head(head_layers[k]), logits.shape);
    });
    return candidates.best(geometry, 0, options.nms, options.limit);
  }

  /// GreyscaleRec601 of the canvas, in its order of operations.
  void make_grey() {
    const auto plane = canvas.size() / 3;
    float *red = canvas.data(), *green = red + plane, *blue = green + plane;
    for (std::size_t i = 0; i < plane; ++i) {
      const float grey = std::clamp(
          green[i] + (red[i] - green[i]) * 0.299F + (blue[i] - green[i]) * 0.114F, 0.0F, 1.0F);
      red[i] = green[i] = blue[i] = grey;
    }
  }
};

Runtime::Runtime(const std::filesystem::path& plan, int threads)
    : held_(std::make_unique<Held>(plan, threads)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;

int Runtime::width() const { return held_->plan.graph().input.width; }
int Runtime::height() const { return held_->plan.graph().input.height; }
int Runtime::classes() const { return held_->plan.graph().classes(); }
const std::vector<std::string>& Runtime::class_names() const { return held_->names; }
bool Runtime::greyscale() const { return held_->plan.labels.greyscale; }

std::vector<Detection> Runtime::detect(const std::filesystem::path& picture,
                                       const DecodeOptions& options) {
  const auto file = read_file(picture);
  return held_->detect(
      letterbox_into(held_->canvas.data(), file, picture.string(), width(), height()), options);
}

std::vector<Detection> Runtime::detect(const Pixels& picture, const DecodeOptions& options) {
  const auto pitch = picture.pitch == 0 ? std::ptrdiff_t{3} * picture.width : picture.pitch;
  require(picture.rgb != nullptr && picture.width > 0 && picture.height > 0 &&
              pitch >= std::ptrdiff_t{3} * picture.width,
          "picture", "should have pixels, got {} × {} with {} bytes a row", picture.width,
          picture.height, pitch);
  return held_->detect(
      letterbox_into(held_->canvas.data(), picture.rgb, pitch, {picture.width, picture.height},
                     width(), height(), held_->writer),
      options);
}

std::vector<std::vector<float>> Runtime::heads(std::span<const float> image) {
  auto& plan = held_->plan;
  const auto& in = plan.graph().input;
  require(image.size() == held_->canvas.size(), "image",
          "should be one of 3 × {} × {} numbers as the plan was made for, got {}", in.height,
          in.width, image.size());
  const float* seen = image.data();
  if (plan.labels.greyscale) {
    std::ranges::copy(image, held_->canvas.begin());
    held_->make_grey();
    seen = held_->canvas.data();
  }
  const deploy::WithThreads limit(held_->threads);
  std::vector<std::vector<float>> heads;
  heads.reserve(held_->head_layers.size());
  plan.run(seen, [&](std::size_t, const ConstMap& logits) {
    auto& to = heads.emplace_back(static_cast<std::size_t>(logits.numbers()));
    copy_map(logits, Map::dense(to.data(), logits.shape, Layout::kPlanes));
  });
  return heads;
}

}  // namespace serpette

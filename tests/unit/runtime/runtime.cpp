#include "serpette/runtime.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <thread>

#include "serpette/deploy/execution.hpp"
#include "serpette/deploy/our_forms.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/image.hpp"
#include "serpette/io/temporary_folder.hpp"
#include "serpette/runtime.h"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using Catch::Matchers::WithinAbs;

namespace {

using deploy::OurExecution;

/// Every kind of layer, two heads, and convolutions of every form.
constexpr const char* kCfg = R"([net]
width=32
height=24
channels=3

[convolutional]
filters=8
size=3
stride=1
pad=1
activation=leaky

[convolutional]
filters=8
size=3
stride=1
pad=1
activation=mish

[shortcut]
from=-2
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
filters=8
size=1
stride=1
activation=swish

[avgpool]

[convolutional]
filters=8
size=1
stride=1
activation=logistic

[scale_channels]
from=-3

[route]
layers=-1
groups=2
group_id=1

[convolutional]
filters=14
size=1
stride=1
activation=linear

[yolo]
mask=0,1
anchors=4,5, 9,7, 20,18
classes=2
num=3

[route]
layers=7

[upsample]
stride=2

[route]
layers=-1,2

[convolutional]
filters=7
size=3
stride=2
pad=1
activation=linear

[yolo]
mask=2
anchors=4,5, 9,7, 20,18
classes=2
num=3
)";

/// A network with random weights, half of them zeros.
struct Network {
  Graph graph;
  std::vector<std::vector<float>> weights, biases;

  explicit Network(Graph graph_ = parse_cfg(kCfg, "test.cfg")) : graph(std::move(graph_)) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.4F);
    for (const int i : graph.convolutions()) {
      const auto [out, in, k, also_k] = weight_shape(graph, i);
      auto& w = weights.emplace_back(static_cast<std::size_t>(out * in * k * k));
      auto& b = biases.emplace_back(static_cast<std::size_t>(out));
      for (float& x : w) x = random() % 2 == 0 ? 0 : normal(random);
      for (float& x : b) x = normal(random);
    }
  }

  [[nodiscard]] std::vector<deploy::FoldedLayer> layers() const {
    std::vector<deploy::FoldedLayer> made;
    for (const int i : graph.convolutions()) {
      auto& layer = made.emplace_back(deploy::folded_layer(graph, i));
      layer.weight = weights[made.size() - 1];
      layer.bias = biases[made.size() - 1];
      layer.weights_left = std::ssize(layer.weight) - std::ranges::count(layer.weight, 0.0F);
      layer.kernels_left = std::ssize(layer.weight) / (layer.settings.size * layer.settings.size);
    }
    return made;
  }

  /// @param form  of all layers that it fits.
  [[nodiscard]] OurExecution plan(const std::string& form) const {
    deploy::Choices choices;
    for (const int i : graph.convolutions()) {
      const auto& c = graph.convolution(i);
      const bool fits =
          form == "shifted_weights"
              ? deploy::ShiftedWeightsForm::fits(deploy::folded_layer(graph, i))
              : form == "direct" || form == "weights" || (c.size == 3 && c.stride == 1);
      choices[graph[i].name] = fits ? form : "weights";
    }
    return {graph, layers(), {.choices = choices}};
  }
};

/// A plan file in a folder of its own.
struct PlanFile {
  TemporaryFolder folder;
  std::filesystem::path path;

  explicit PlanFile(const deploy::PlanLabels& labels = {}, const std::string& form = "direct")
      : path(folder.path() / "network.plan") {
    auto plan = Network().plan(form);
    plan.labels = labels;
    deploy::save_plan(plan, path);
  }
};

std::vector<float> random_image() {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> image(std::size_t(3) * 24 * 32);
  for (float& x : image) x = uniform(random);
  return image;
}

Image random_picture(int width, int height) {
  std::mt19937 random(5);
  Image picture(width, height);
  for (auto& byte : picture.rgb) byte = static_cast<std::uint8_t>(random());
  return picture;
}

/// The heads by the definition of every layer, in double.
std::vector<std::vector<double>> by_definition(const Network& network,
                                               const std::vector<float>& image) {
  using Map = std::vector<double>;
  const Graph& graph = network.graph;
  std::vector<Map> outputs;
  std::vector<Map> heads;
  const Map first(image.begin(), image.end());
  const auto of = [&](int i) -> const Map& {
    return i == kImage ? first : outputs[static_cast<std::size_t>(i)];
  };
  const auto activated = [](double x, Activation a) {
    const double logistic = 1 / (1 + std::exp(-x));
    switch (a) {
      case Activation::kLogistic:
        return logistic;
      case Activation::kSwish:
        return x * logistic;
      case Activation::kMish:
        return x * std::tanh(std::log1p(std::exp(x)));
      default:
        return x > 0 ? x : slope_of(a) * x;
    }
  };
  std::size_t position = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const auto& inputs = graph[i].inputs;
    const Map& x = of(inputs.front());
    const Shape in = graph.shape(inputs.front()), out = graph.shape(i);
    const auto at = [](const Shape& s, int c, int row, int column) {
      return static_cast<std::size_t>((c * s.height + row) * s.width + column);
    };
    const auto inside = [&](int row, int column) {
      return row >= 0 && row < in.height && column >= 0 && column < in.width;
    };
    Map y(static_cast<std::size_t>(out.channels * out.height * out.width));
    const auto each = [&](const auto& value) {
      for (int c = 0; c < out.channels; ++c)
        for (int row = 0; row < out.height; ++row)
          for (int column = 0; column < out.width; ++column)
            y[at(out, c, row, column)] = value(c, row, column);
    };
    visit(
        graph[i],
        [&](const Convolutional& conv) {
          const auto& w = network.weights[position];
          const auto& b = network.biases[position++];
          each([&](int c, int row, int column) {
            double sum = b[static_cast<std::size_t>(c)];
            for (int k = 0; k < in.channels; ++k)
              for (int v = 0; v < conv.size; ++v)
                for (int u = 0; u < conv.size; ++u) {
                  const int r = row * conv.stride - conv.padding + v,
                            s = column * conv.stride - conv.padding + u;
                  if (inside(r, s))
                    sum += w[static_cast<std::size_t>(
                               ((c * in.channels + k) * conv.size + v) * conv.size + u)] *
                           x[at(in, k, r, s)];
                }
            return activated(sum, conv.activation);
          });
        },
        [&](const Shortcut& s) {
          each([&](int c, int row, int column) {
            const auto k = at(out, c, row, column);
            return activated(x[k] + of(inputs.back())[k], s.activation);
          });
        },
        [&](const Route& route) {
          y.clear();
          for (const int j : inputs) {
            const auto [begin, count] = route.taken(graph.shape(j).channels);
            const auto cells = out.height * out.width;
            const auto from = of(j).begin() + begin * cells;
            y.insert(y.end(), from, from + count * cells);
          }
        },
        [&](const Upsample& up) {
          each([&](int c, int row, int column) {
            return x[at(in, c, row / up.stride, column / up.stride)];
          });
        },
        [&](const MaxPool& pool) {
          each([&](int c, int row, int column) {
            double most = -INFINITY;
            for (int v = 0; v < pool.size; ++v)
              for (int u = 0; u < pool.size; ++u) {
                const int r = row * pool.stride - pool.padding / 2 + v,
                          s = column * pool.stride - pool.padding / 2 + u;
                if (inside(r, s)) most = std::max(most, x[at(in, c, r, s)]);
              }
            return most;
          });
        },
        [&](const Product&) {
          const Map& other = of(inputs.back());
          each([&](int c, int row, int column) {
            return other[at(out, c, row, column)] * x[static_cast<std::size_t>(c)];
          });
        },
        [&](const GlobalAverage&) {
          each([&](int c, int, int) {
            double sum = 0;
            for (int k = 0; k < in.height * in.width; ++k)
              sum += x[static_cast<std::size_t>(c * in.height * in.width + k)];
            return sum / (in.height * in.width);
          });
        },
        [&](const Yolo&) {
          y = x;
          heads.push_back(x);
        });
    outputs.push_back(std::move(y));
  }
  return heads;
}

}  // namespace

TEST_CASE("a plan file computes what its layers mean, in every form", "[runtime]") {
  const auto form =
      GENERATE(as<std::string>(), "winograd", "direct", "weights", "shifted_weights", "kernels");
  const PlanFile file({}, form);
  const auto image = random_image();
  const auto expected = by_definition(Network(), image);
  Runtime runtime(file.path, 1);
  const auto heads = runtime.heads(image);
  REQUIRE(heads.size() == expected.size());
  for (std::size_t h = 0; h < heads.size(); ++h) {
    REQUIRE(heads[h].size() == expected[h].size());
    for (std::size_t i = 0; i < heads[h].size(); ++i)
      CHECK_THAT(heads[h][i], WithinAbs(expected[h][i], 2e-5));
  }
  CHECK(runtime.heads(image) == heads);  // nothing is left over from the image before
  Runtime on_three(file.path, 3);
  CHECK(on_three.heads(image) == heads);
}

TEST_CASE(
    "pixels in memory and in a file are the same picture, and grey ones where a plan wants them",
    "[runtime]") {
  const PlanFile file({.class_names = {"cat", "dog"}}),
      grey_file({.class_names = {}, .greyscale = true});
  const auto picture = random_picture(50, 41);
  const auto path = file.folder.path() / "picture.png";
  write_png(path, picture);
  Runtime runtime(file.path), grey(grey_file.path);
  CHECK(runtime.width() == 32);
  CHECK(runtime.height() == 24);
  CHECK(runtime.class_names() == std::vector<std::string>{"cat", "dog"});
  CHECK(grey.class_names() == std::vector<std::string>{"class 0", "class 1"});
  CHECK((grey.greyscale() && !runtime.greyscale()));

  const auto found = runtime.detect(path, {.confidence = 0.05});
  REQUIRE(found.size() > 1);
  CHECK(runtime.detect({picture.rgb.data(), 50, 41}, {.confidence = 0.05}) == found);
  for (const auto& [id, category, score, box] : found) {
    CHECK((score > 0.05 && category >= 0 && category < 2));
    CHECK((box.x >= 0 && box.y >= 0 && box.x + box.width <= 50 && box.y + box.height <= 41));
  }
  // Rows that stand apart.
  std::vector<std::uint8_t> apart(41 * 200);
  for (int y = 0; y < 41; ++y) std::memcpy(apart.data() + y * 200, picture.at(0, y), 150);
  CHECK(runtime.detect({apart.data(), 50, 41, 200}, {.confidence = 0.05}) == found);

  auto luma = picture;
  for (std::size_t i = 0; i < luma.rgb.size(); i += 3)
    luma.rgb[i] = luma.rgb[i + 1] = luma.rgb[i + 2];
  CHECK(grey.detect({luma.rgb.data(), 50, 41}) == runtime.detect({luma.rgb.data(), 50, 41}));
  CHECK(grey.detect({picture.rgb.data(), 50, 41}, {.confidence = 0.05}) != found);

  const auto image = random_image();
  const auto plane = image.size() / 3;
  auto grey_image = image;
  for (std::size_t i = 0; i < plane; ++i)
    grey_image[i] = grey_image[plane + i] = grey_image[2 * plane + i] =
        image[plane + i] + (image[i] - image[plane + i]) * 0.299F +
        (image[2 * plane + i] - image[plane + i]) * 0.114F;
  const auto heads = grey.heads(image), of_grey = runtime.heads(grey_image);
  REQUIRE(heads.size() == of_grey.size());
  for (std::size_t h = 0; h < heads.size(); ++h)
    for (std::size_t i = 0; i < heads[h].size(); ++i)
      CHECK_THAT(heads[h][i], WithinAbs(of_grey[h][i], 5e-5));
  CHECK(grey.heads(grey_image) == of_grey);  // what is grey stays as it is
}

TEST_CASE("what does not fit is refused in one line", "[runtime]") {
  const PlanFile file;
  const auto whole = read_file(file.path);
  const auto bad = file.folder.path() / "bad.plan";
  const auto refused = [&](const std::string& bytes, const std::string& says) {
    write_file(bad, bytes);
    CHECK_THROWS_MATCHES(Runtime(bad), Error,
                         MessageMatches(ContainsSubstring("bad.plan: ") &&
                                        ContainsSubstring(says) && !ContainsSubstring("\n")));
  };
  refused("", "should be a plan file");
  refused("{}", "should be a plan file");
  refused(whole.substr(0, whole.size() / 2), "it is incomplete");
  auto changed = whole;
  changed[whole.size() / 2] ^= 4;
  refused(changed, "it is damaged");
  changed = whole;
  changed[16] = 77;
  refused(changed, fmt::format("should be a plan of version {}, got 77: write it anew",
                               deploy::kPlanVersion));
  changed = whole;
  std::memcpy(changed.data() + 40, "AVX9", 5);
  refused(changed, "should be a plan for this kind of CPU");
  CHECK_THROWS_WITH(Runtime(file.folder.path() / "none"),
                    ContainsSubstring("none: should be a readable file"));
  for (const int threads : {-1, 1'000'000})
    CHECK_THROWS_WITH(Runtime(file.path, threads),
                      fmt::format("threads: should be from 0 to 1024, got {}", threads));

  Runtime runtime(file.path);
  for (const std::size_t images : {std::size_t(0), std::size_t(2)})  // a batch
    CHECK_THROWS_WITH(
        runtime.heads(std::vector<float>(images * 3 * 24 * 32)),
        ContainsSubstring("image: should be one of 3 × 24 × 32 numbers as the plan was made for"));
  CHECK_THROWS_WITH(runtime.detect(Pixels{}), ContainsSubstring("picture: should have pixels"));
  CHECK_THROWS_AS(runtime.detect(file.path), Error);
}

TEST_CASE("C gets what C++ gets, and reasons in place of exceptions", "[runtime]") {
  const PlanFile file({.class_names = {"cat", "dog"}});
  const auto picture = random_picture(50, 41);
  auto* runtime = serpette_open(file.path.c_str(), 2);
  REQUIRE(runtime != nullptr);
  CHECK(std::string(serpette_error()).empty());
  CHECK((serpette_width(runtime) == 32 && serpette_height(runtime) == 24));
  CHECK(serpette_classes(runtime) == 2);
  CHECK(std::string(serpette_class_name(runtime, 1)) == "dog");
  CHECK(serpette_class_name(runtime, 2) == nullptr);
  CHECK(serpette_class_name(runtime, -1) == nullptr);

  const auto expected =
      Runtime(file.path).detect({picture.rgb.data(), 50, 41}, {.confidence = 0.05});
  serpette_detection found[100];
  const int count = serpette_detect_rgb(runtime, picture.rgb.data(), 50, 41, 0.05, found, 100);
  REQUIRE(count == static_cast<int>(expected.size()));
  for (int i = 0; i < count; ++i) {
    const auto& want = expected[static_cast<std::size_t>(i)];
    CHECK(found[i].class_index == want.category);
    CHECK(found[i].score == want.score);
    CHECK(Box{found[i].x, found[i].y, found[i].width, found[i].height} == want.box);
  }
  CHECK(serpette_detect_rgb(runtime, picture.rgb.data(), 50, 41, 0.05, found, 1) == 1);
  CHECK(serpette_detect_file(runtime, "nowhere.png", 0.5, found, 100) == -1);
  CHECK_THAT(serpette_error(), ContainsSubstring("nowhere.png: should be a readable file"));
  CHECK(serpette_detect_rgb(runtime, nullptr, 0, 0, 0.5, found, 100) == -1);
  CHECK_THAT(serpette_error(), ContainsSubstring("picture: should have pixels"));
  CHECK(serpette_width(runtime) == 32);  // what failed before is not its failure
  CHECK(std::string(serpette_error()).empty());
  CHECK(serpette_class_name(runtime, 2) == nullptr);
  CHECK(std::string(serpette_error()) == "class: should be from 0 to 1, got 2");
  CHECK(serpette_detect_rgb(runtime, picture.rgb.data(), 50, 41, 0.05, nullptr, 100) == -1);
  CHECK(std::string(serpette_error()) == "detections: should have room for 100, got NULL");
  CHECK(serpette_detect_rgb(runtime, picture.rgb.data(), 50, 41, 0.05, nullptr, 0) == 0);
  serpette_close(runtime);

  CHECK(serpette_detect_rgb(nullptr, picture.rgb.data(), 50, 41, 0.05, found, 100) == -1);
  CHECK(std::string(serpette_error()) ==
        "runtime: should be what serpette_open has returned, got NULL");
  CHECK(serpette_detect_file(nullptr, "nowhere.png", 0.05, found, 100) == -1);
  CHECK((serpette_width(nullptr) == -1 && serpette_height(nullptr) == -1));
  CHECK(serpette_classes(nullptr) == -1);
  CHECK(serpette_class_name(nullptr, 0) == nullptr);

  CHECK(serpette_open("nowhere.plan", 0) == nullptr);
  CHECK_THAT(serpette_error(), ContainsSubstring("nowhere.plan: should be a readable file"));
  CHECK(serpette_open(nullptr, 0) == nullptr);
  CHECK(std::string(serpette_error()) == "plan: should be a file's name, got NULL");
  serpette_close(nullptr);
}

TEST_CASE("blocks of memory are counted, on every thread", "[runtime][allocations]") {
  if (!test::counts_allocations()) SKIP("no glibc here");
  std::vector<std::vector<int>> kept(3);
  CHECK(test::allocations_in([&] { kept[0].resize(1); }) == 1);
  CHECK(test::allocations_in([&] { kept[0][0] = 2; }) == 0);
  CHECK(test::allocations_in([&] {
          std::thread([&] { kept[1].resize(1), kept[2].resize(1); }).join();
        }) >= 3);  // and what a thread takes
  void* aligned = nullptr;
  CHECK(test::allocations_in([&] { aligned = std::aligned_alloc(64, 64); }) == 1);
  std::free(aligned);
}

TEST_CASE("a plan that runs takes no memory, in any form", "[runtime][allocations]") {
  if (!test::counts_allocations()) SKIP("no glibc here");
  const auto form =
      GENERATE(as<std::string>(), "winograd", "direct", "weights", "shifted_weights", "kernels");
  const int threads = GENERATE(1, 3);
  const auto image = random_image();
  auto plan = Network().plan(form);
  const deploy::WithThreads limit(threads);
  double sum = 0;
  const auto run = [&] {
    plan.run(image.data(),
             [&](std::size_t, const deploy::ConstMap& logits) { sum += *logits.data; });
  };
  run();  // threads start, and their buffers grow
  const double first = sum;
  CHECK(test::allocations_in([&] {
          for (int i = 0; i < 5; ++i) run();
        }) == 0);
  CHECK(sum == 6 * first);
}

TEST_CASE("a plan computes large maps slice by slice, equally on any threads",
          "[runtime][slices]") {
  const auto form =
      GENERATE(as<std::string>(), "winograd", "direct", "weights", "shifted_weights", "kernels");
  Convolutional conv{.filters = 8, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  auto graph = test::GraphBuilder({3, 211, 416}).conv(conv).conv(conv);
  conv.filters = 6;
  conv.stride = 2;
  const Network network(graph.shortcut(0, Activation::kLeaky).conv(conv).head(1, {0, 1, 2}).done());
  auto plan = network.plan(form);
  REQUIRE_FALSE(plan.chains().empty());
  CHECK(plan.chains().front().convolutions.front() == 0);
  const std::vector<float> image(std::size_t(3) * 211 * 416, 0.5F);
  std::vector<std::vector<float>> heads;
  for (const int threads : {1, 2, 3}) {
    const deploy::WithThreads limit(threads);
    plan.run(image.data(), [&](std::size_t, const deploy::ConstMap& logits) {
      heads.emplace_back(logits.data, logits.data + logits.numbers());
    });
  }
  REQUIRE(heads.size() == 3);
  CHECK(heads[1] == heads[0]);
  CHECK(heads[2] == heads[0]);
}

TEST_CASE("a runtime takes memory for what it hands over alone", "[runtime][allocations]") {
  if (!test::counts_allocations()) SKIP("no glibc here");
  const PlanFile file;
  const auto image = random_image();
  const auto picture = random_picture(50, 41);
  Runtime runtime(file.path, 2);
  std::vector<std::vector<float>> heads;
  std::vector<Detection> found;
  const auto look = [&] {
    heads = runtime.heads(image);
    found = runtime.detect({picture.rgb.data(), 50, 41}, {.confidence = 0.05});
  };
  look();
  REQUIRE(found.size() > 1);
  CHECK(test::allocations_in([&] { heads = runtime.heads(image); }) ==
        std::ssize(heads) + 1);  // a block a head, and their list
  CHECK(test::allocations_in([&] {
          found = runtime.detect({picture.rgb.data(), 50, 41}, {.confidence = 0.05});
        }) == 1);
}

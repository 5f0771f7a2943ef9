#include "serpette/deploy/plan_file.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/deploy/plan.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/equal.hpp"
#include "support/pruned_network.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/refused_bytes.hpp"
#include "support/scratch.hpp"
#include "support/small_graphs.hpp"

#include "serpette/laws/prune_granularity.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using deploy::load_plan;
using deploy::make_plan;
using deploy::save_plan;
using serpette::test::equal;
using serpette::test::images_for;
using serpette::test::pruned;
using serpette::test::ReferenceNetwork;

namespace {

/// A form that nobody can write.
struct Silent {
  static constexpr std::string_view name = "silent";
  static constexpr auto layout = deploy::Layout::kPlanes;
  static constexpr bool adds_residual = false;
  struct Prepared {};
  static bool fits(const deploy::FoldedLayer&) { return true; }
  static double cost(const deploy::FoldedLayer&) { return 1; }
  static Prepared prepare(const deploy::FoldedLayer&) { return {}; }
  static void run(const Prepared&, const deploy::FormInput&) {}
};

/// A plan's bytes with the size and the checksum that they have.
std::string with_checksum(std::string bytes) {
  deploy::detail::PlanHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.bytes = bytes.size();
  header.checksum = deploy::checksum(std::as_bytes(std::span(bytes)).subspan(sizeof header));
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

/// Computes an image from a plan's bytes, if they are accepted.
void read_and_run(const std::string& bytes) {
  const auto kept = std::make_shared<const std::string>(bytes);
  auto plan = deploy::read_plan<deploy::OurExecution>(kept, std::as_bytes(std::span(*kept)),
                                                      "network.plan");
  const auto numbers = deploy::ConstMap{nullptr, plan.graph().input}.numbers();
  const std::vector<float> image(static_cast<std::size_t>(numbers), 0.5F);
  plan.run(image.data(), [](std::size_t, const deploy::ConstMap&) {});
}

/// A plan that names this form for every convolution, and ends where their weights would begin.
std::string plan_of_forms(const Graph& graph, std::string_view precision, std::string_view form) {
  deploy::PlanWriter to(0);
  to.bytes() = deploy::write_plan(
                   make_plan(ReferenceNetwork(test::tiny_graph(), Seed(1)), {.measure = false}))
                   .substr(0, sizeof(deploy::detail::PlanHeader));
  to.text(write_cfg(graph));
  deploy::detail::write_labels({}, to);
  to.text(precision);
  for (std::size_t c = 0; c < graph.convolutions().size(); ++c) {
    to.text(form);
    to.value(1.0);
  }
  return with_checksum(to.bytes());
}

/// A plan whose convolutions have this form, or where it does not fit the direct one. Its last map
/// is packed as one run of cells, or read where it lies.
std::string plan_in(const std::string& form, bool packed) {
  test::GraphBuilder graph(packed ? Shape{2, 9, 9} : Shape{5, 8, 8});
  if (packed)
    graph.conv({.filters = 3, .size = 3, .padding = 1, .activation = Activation::kLeaky})
        .conv({.filters = 3, .size = 3, .stride = 2, .padding = 1});
  const ReferenceNetwork network(graph.head(1).done(), Seed(1));
  deploy::PlanOptions options;
  const bool in_bytes = form.ends_with("int8");
  deploy::Ranges ranges;
  for (const int i : network.graph().convolutions()) {
    const auto& c = network.graph().convolution(i);
    const auto& name = network.graph()[i].name;
    const bool fits = (form != "winograd" && form != "kernels" && form != "shifted_weights") ||
                      (c.size == 3 && c.stride == 1);
    options.choices[name] = fits ? form : "direct";
    ranges[name] = {-1, 1};
  }
  if (in_bytes) {
    options.precision = deploy::PlanPrecision::kInt8;
    options.ranges = std::move(ranges);
  } else if (form.ends_with("bf16")) {
    options.precision = deploy::PlanPrecision::kBFloat16;
  }
  return deploy::write_plan(make_plan(pruned(network, Weight(), 60), options));
}

}  // namespace

TEMPLATE_TEST_CASE("a plan that is read computes the same bits", "[deploy][plan_file]", Weight,
                   Kernel, Filter) {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  for (std::uint64_t i = 0; i < 12; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    const auto images = images_for(network.graph(), 2);
    for (const int percent : {0, 60, 95}) {
      auto plan = make_plan(pruned(network, TestType{}, percent), {.measure = false});
      save_plan(plan, path);
      auto again = load_plan(path);
      CHECK(equal(again.forward(images), plan.forward(images)));
      CHECK(deploy::write_choices(again.choices()) == deploy::write_choices(plan.choices()));
      CHECK(again.choices().front().density == plan.choices().front().density);
      CHECK(write_cfg(again.graph()) == write_cfg(plan.graph()));
      CHECK(deploy::write_plan(again) == deploy::write_plan(plan));
    }
  }
}

TEST_CASE("every form can be kept", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::all_kinds(), Seed(1));
  const auto images = images_for(network.graph(), 2);
  for (const std::string form : {"winograd", "direct", "weights", "shifted_weights", "kernels"}) {
    deploy::Choices choices;
    for (const int i : network.graph().convolutions()) {
      const auto& c = network.graph().convolution(i);
      const bool fits =
          form == "direct"                          ? c.groups == 1
          : form == "winograd" || form == "kernels" ? c.groups == 1 && c.size == 3 && c.stride == 1
          : form == "shifted_weights"
              ? deploy::ShiftedWeightsForm::fits(deploy::folded_layer(network.graph(), i))
              : true;
      choices[network.graph()[i].name] = fits ? form : "weights";
    }
    auto plan = make_plan(network, {.choices = choices});
    save_plan(plan, path);
    CHECK(equal(load_plan(path).forward(images), plan.forward(images)));
  }
}

TEST_CASE("class names and colours travel with a plan", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  auto plan = make_plan(ReferenceNetwork(test::tiny_graph(), Seed(1)), {.measure = false});
  save_plan(plan, path);
  CHECK(load_plan(path).labels == deploy::PlanLabels{});
  for (int c = 0; c < plan.graph().classes(); ++c)
    plan.labels.class_names.push_back(fmt::format("née {}\n", c));
  plan.labels.greyscale = true;
  save_plan(plan, path);
  CHECK(load_plan(path).labels == plan.labels);
  plan.labels.class_names.emplace_back("one more");
  save_plan(plan, path);
  CHECK_THROWS_WITH(load_plan(path), ContainsSubstring("classes or none, got"));
}

TEST_CASE("a plan outlives its file", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto images = images_for(network.graph(), 1);
  auto plan = make_plan(network, {.measure = false});
  save_plan(plan, path);
  auto again = load_plan(path);
  save_plan(make_plan(ReferenceNetwork(test::tiny_graph(), Seed(2)), {.measure = false}), path);
  std::filesystem::remove(path);
  CHECK(equal(again.forward(images), plan.forward(images)));
}

TEST_CASE("what is no whole plan of this version and machine is refused by name",
          "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  const auto whole = deploy::write_plan(make_plan(network, {.measure = false}));
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    write_file(path, bytes);
    CHECK_THROWS_MATCHES(load_plan(path), Error, MessageMatches(ContainsSubstring(message)));
  };
  refused("", "should be a plan file");
  refused("[net]\nwidth=16\n", "should be a plan file");
  refused(whole.substr(0, 100), "should be a plan file");
  for (const std::size_t size : {std::size_t{128}, std::size_t{200}, whole.size() - 1})
    refused(whole.substr(0, size), "it is incomplete");
  refused(whole + 'x', "something stands behind its end");

  Generator rng(Seed(3));
  for (int i = 0; i < 200; ++i) {  // any bit behind the header
    auto bytes = whole;
    const auto at = 128 + rng.below(whole.size() - 128);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
    refused(bytes, "it is damaged");
  }
  auto of_tomorrow = whole;
  of_tomorrow[16] = 77;
  refused(of_tomorrow, fmt::format("should be a plan of version {}, got 77", deploy::kPlanVersion));
  auto of_yesterday = whole;
  of_yesterday[16] = 3;
  refused(of_yesterday, fmt::format("should be a plan of version {}, got 3: write it anew",
                                    deploy::kPlanVersion));
  auto elsewhere = whole;
  std::memcpy(elsewhere.data() + 40, "AVX9 with 64, 64 and 8 lanes", 29);
  refused(elsewhere, "got one for AVX9 with 64, 64 and 8 lanes");
  CHECK_THROWS_MATCHES(load_plan(folder.path() / "none"), Error,
                       MessageMatches(ContainsSubstring("should be a readable file")));
}

TEST_CASE("images of another size than a plan was made for are refused", "[deploy][plan_file]") {
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  save_plan(make_plan(ReferenceNetwork(test::tiny_graph(), Seed(1)), {.measure = false}), path);
  auto plan = load_plan(path);
  CHECK_THROWS_WITH(plan.forward(at::rand({1, 3, 24, 16})),
                    ContainsSubstring("shape should be [N, 3, 16, 16]"));
  CHECK_THROWS_WITH(plan.forward(at::rand({1, 3, 16, 16}, at::kDouble)),
                    ContainsSubstring("should be float on the CPU"));
}

TEST_CASE("a file with a form that the reader does not have is refused by the layer's name",
          "[deploy][plan_file]") {
  using Sparse = deploy::PlanOf<deploy::WeightsForm>;
  static_assert(deploy::Form<Silent> && !deploy::KeptForm<Silent>);
  static_assert(!deploy::KeptPlan<deploy::PlanOf<Silent, deploy::DirectForm>>);
  const test::Scratch folder;
  const auto path = folder.path() / "network.plan";
  const ReferenceNetwork network(test::tiny_graph(), Seed(1));
  deploy::Choices choices;
  for (const int i : network.graph().convolutions()) choices[network.graph()[i].name] = "direct";
  save_plan(make_plan(network, {.choices = choices}), path);
  CHECK_THROWS_WITH(load_plan<Sparse>(path),
                    ContainsSubstring("conv_0 should have one of the forms weights, got 'direct'"));
}

TEST_CASE("places beyond what they are of are refused when a plan is read", "[deploy][plan_file]") {
  const Convolutional c{.filters = 2, .size = 3, .padding = 1};
  const Shape in{1, 6, 6};
  const std::vector<float> weight(18, 0.5F), bias(2, 0.0F);
  constexpr std::size_t kLine = deploy::detail::kAlignment;

  SECTION("of weights") {
    // From whole lines on: bias, 3 planes, 18 places in two lines, as many weights, and behind the
    // part's count and planes its starts.
    const deploy::SparseConvolution kept(c, in, weight.data(), bias.data(), {});
    const auto refused = [&](std::size_t at, const auto& by, const std::string& says) {
      test::refused_with(kept, c, in, at, by, says);
    };
    constexpr auto kPlanes = 2 * kLine, kPlaces = 3 * kLine, kParts = 5 * kLine + 18 * 4,
                   kStarts = 7 * kLine;
    for (const std::int32_t number : {-1, 1, 777})
      refused(kPlanes, number, "should pack planes of 1 channels, 1 rows and 3 columns, got");
    refused(kPlanes + 4, 1, "should pack planes of 1 channels");
    refused(kPlanes + 8, 3, "should pack planes of 1 channels");
    for (const std::int32_t place : {-1, 777'777, std::numeric_limits<std::int32_t>::max(),
                                     std::numeric_limits<std::int32_t>::min()})
      for (const std::size_t i : {0, 17})
        refused(kPlaces + 4 * i, place, fmt::format(", got {}", place));
    const std::string parts = "should hold parts that follow each other in 3 planes, got ";
    refused(kParts + 8, std::uint64_t{1}, parts + "1 to 3 after 0");
    refused(kParts + 16, std::uint64_t{4}, parts + "0 to 4 after 0");
    refused(kParts + 16, std::uint64_t{1}, "should hold places from 0 to");
    for (const std::int64_t start : {-1, 1, 19})
      refused(kStarts, start, "should hold lists of weights that follow each other");
    refused(kStarts + 16, std::int64_t{17}, "should use 3 planes and 18 weights, got 3 and 17");
  }
  SECTION("of kernels") {
    // Lines: bias, three starts, two channels, and the weights.
    const deploy::KernelWinogradConvolution kept(c, in, weight.data(), bias.data());
    const auto refused = [&](std::size_t at, const auto& by, const std::string& says) {
      test::refused_with(kept, c, in, at, by, says);
    };
    for (const std::int64_t start : {-1, 1, 3, 1 << 30})
      refused(2 * kLine, start, "should hold lists of kernels that follow each other from 0");
    refused(2 * kLine + 16, std::int64_t{3}, "from 0 to at most 2, got some from 0 to 3");
    for (const std::int32_t channel : {-1, 1, 777})
      refused(3 * kLine, channel, fmt::format("should hold channels from 0 to 0, got {}", channel));
  }
}

TEST_CASE("a layer without a thread is refused when a plan is read", "[deploy][plan_file]") {
  const Graph graph = test::GraphBuilder({1, 4, 4}).head(1).done();
  const std::vector<float> weight(6, 0.5F), bias(6, 0.0F);
  auto layer = deploy::folded_layer(graph, 0);
  layer.weight = weight;
  layer.bias = bias;
  deploy::PlanWriter to(0);
  deploy::DirectForm::write(deploy::DirectForm::prepare(layer), to);
  for (const std::int32_t threads : {0, -1}) {
    const auto bytes = std::make_shared<std::string>(to.bytes());
    std::memcpy(bytes->data(), &threads, sizeof threads);
    deploy::PlanReader from(bytes, std::as_bytes(std::span(*bytes)), 0, "network.plan");
    CHECK_THROWS_WITH(
        deploy::DirectForm::read(layer, from),
        fmt::format("network.plan: should give a layer a thread at least, got {}", threads));
  }
}

TEST_CASE("heads of different classes are refused when a plan is read", "[deploy][plan_file]") {
  const auto graph = test::GraphBuilder({3, 8, 8}).head(2).route({0}).head(3).done();
  const auto bytes =
      deploy::write_plan(make_plan(ReferenceNetwork(graph, Seed(1)), {.measure = false}));
  CHECK_THROWS_WITH(read_and_run(bytes),
                    "network.plan: yolo_4 should have 2 classes as the first head, got 3");
}

TEST_CASE("maps out of proportion to a plan's file are refused before there are any",
          "[deploy][plan_file]") {
  const Graph graph = test::GraphBuilder({1, 1 << 10, 1 << 10}).upsample(4).done();
  CHECK_THROWS_WITH(read_and_run(plan_of_forms(graph, "f32", "direct")),
                    ContainsSubstring("network.plan: should have maps of at most"));
  const auto plan = make_plan(ReferenceNetwork(graph, Seed(1)), {.measure = false});
  const test::Scratch folder;
  CHECK_THROWS_WITH(deploy::write_plan(plan), ContainsSubstring("plan: should have maps of at"));
  CHECK_THROWS_WITH(save_plan(plan, folder / "large.plan"),
                    ContainsSubstring("large.plan: should have maps of at most"));
}

TEST_CASE("a form that does not fit its layer is refused before anything is prepared",
          "[deploy][plan_file]") {
  struct Misfit {
    std::string_view form;
    Convolutional conv;
    Shape in;
    std::string_view says;
  };
  const Misfit misfits[] = {
      {"winograd", {.filters = 2, .size = 5, .padding = 2}, {2, 8, 8}, "fits 5×5 with stride 1 in"},
      {"winograd", {.filters = 2, .size = 3, .padding = 4}, {2, 8, 8}, "fits 3×3 with stride 1 in"},
      {"kernels",
       {.filters = 2, .size = 3, .stride = 2},
       {2, 8, 8},
       "fits 3×3 with stride 2 in 1 groups, of 2 × 8 × 8 in f32, got 'kernels'"},
      {"kernels", {.filters = 2, .size = 3, .groups = 2}, {2, 8, 8}, "in 2 groups"},
      {"direct", {.filters = 2, .size = 3, .groups = 2}, {2, 8, 8}, "in 2 groups"},
      {"shifted_weights", {.filters = 2, .size = 1}, {2, 8, 8}, "got 'shifted_weights'"},
      {"direct_bf16", {.filters = 2, .size = 1}, {2, 8, 8}, "in f32, got 'direct_bf16'"},
      {"winograd_bf16", {.filters = 2, .size = 3}, {2, 8, 8}, "in f32, got 'winograd_bf16'"},
      {"direct_int8", {.filters = 2, .size = 1}, {2, 8, 8}, "in f32, got 'direct_int8'"},
      {"weights_int8", {.filters = 2, .size = 1}, {2, 8, 8}, "in f32, got 'weights_int8'"},
      {"amx_bf16", {.filters = 2, .size = 1}, {2, 8, 8}, "in f32, got 'amx_bf16'"},
      {"amx_int8", {.filters = 2, .size = 1}, {2, 8, 8}, "in f32, got 'amx_int8'"},
      // Which would take hundreds of megabytes on the way.
      {"kernels", {.filters = 1, .size = 3, .padding = 1}, {30'000, 1, 512}, "of 30000 × 1 × 512"},
      {"weights", {.filters = 1, .size = 1024, .stride = 1024, .padding = 512}, {1, 9, 9}, "fits"}};
  for (const auto& [form, conv, in, says] : misfits) {
    const auto bytes = plan_of_forms(test::GraphBuilder(in).conv(conv).done(), "f32", form);
    INFO(form << ": " << says);
    CHECK_THROWS_MATCHES(read_and_run(bytes), Error,
                         MessageMatches(Catch::Matchers::StartsWith(
                                            "network.plan: conv_0 should have a form that") &&
                                        ContainsSubstring(std::string(says))));
  }
}

TEST_CASE("what a layer computes on the way is bounded", "[deploy][plan_file]") {
  const Convolutional kernels{.filters = 1024, .size = 3, .padding = 1};
  CHECK(deploy::KernelWinogradConvolution::fits(kernels, {1024, 19, 19}));
  CHECK(deploy::KernelWinogradConvolution::fits(kernels, {1, 4, 1 << 15}));
  CHECK_FALSE(deploy::KernelWinogradConvolution::fits(kernels, {200'000, 19, 19}));
  CHECK_FALSE(deploy::KernelWinogradConvolution::fits(kernels, {1, 4, 1 << 20}));
  CHECK_THROWS_WITH(deploy::KernelWinogradConvolution(kernels, {1, 4, 1 << 20}, nullptr, nullptr),
                    ContainsSubstring("should compute kernels with at most 16777216 numbers"));

  // Planes that no weight reads cost twelve bytes each, and with so large a kernel a thousand rows.
  const Convolutional c{.filters = 1, .size = 1000, .padding = 500};
  CHECK(deploy::SparseConvolution::fits(c, {5, 2, 2}));
  deploy::PlanWriter to(0);
  for (const bool flag : {false, false}) to.value(flag);
  to.array(std::span<const float>(std::vector<float>(1)));
  std::vector<deploy::PackedPlane> planes;
  for (int i = 0; i < 5000; ++i) planes.push_back({i / 1000, 0, i % 1000});
  to.array(std::span<const deploy::PackedPlane>(planes));
  to.array(std::span<const std::int32_t>());
  to.array(std::span<const float>());
  for (const std::uint64_t value : {1, 0, 5000}) to.value(value);
  to.array(std::span<const std::int64_t>(std::vector<std::int64_t>(2)));
  const auto kept = std::make_shared<const std::string>(to.bytes());
  deploy::PlanReader from(kept, std::as_bytes(std::span(*kept)), 0, "network.plan");
  CHECK_THROWS_WITH(
      deploy::SparseConvolution(c, {5, 2, 2}, from),
      ContainsSubstring("network.plan: should pack at most 16777216 numbers at a time"));
}

TEST_CASE("whatever values stand in a plan, it is refused by name or runs", "[deploy][plan_file]") {
  std::vector<std::string> forms{"winograd", "direct", "weights", "shifted_weights", "kernels"};
  if (deploy::has_int8()) forms.insert(forms.end(), {"direct_int8", "weights_int8"});
  if (deploy::has_amx<deploy::BFloat16>()) forms.emplace_back("amx_bf16");
  if (deploy::has_amx<deploy::Int8>()) forms.emplace_back("amx_int8");
  constexpr std::array<std::int32_t, 6> kHostile{
      -1, 0, 1, 7, 1 << 30, std::numeric_limits<std::int32_t>::min()};
  Generator rng(Seed(4));
  for (const auto& form : forms)
    for (const bool packed : {true, false}) {
      if (!packed && !form.starts_with("weights")) continue;
      const auto whole = plan_in(form, packed);
      CHECK_NOTHROW(read_and_run(whole));
      std::uint64_t text = 0;  // the network, which has a test of its own
      std::memcpy(&text, whole.data() + sizeof(deploy::detail::PlanHeader), sizeof text);
      int refused = 0, ran = 0;
      for (auto at = sizeof(deploy::detail::PlanHeader) + sizeof text + text;
           at + sizeof(std::int32_t) <= whole.size(); at += 1 + rng.below(11)) {
        auto bytes = whole;
        std::memcpy(bytes.data() + at, &kHostile[rng.below(kHostile.size())], sizeof(std::int32_t));
        try {
          read_and_run(with_checksum(std::move(bytes)));
          ++ran;
        } catch (const Error& error) {
          ++refused;
          if (!std::string(error.what()).starts_with("network.plan: "))
            FAIL_CHECK(form << " with another value at byte " << at << ": " << error.what());
        }
      }
      CHECK(refused > 0);
      CHECK(ran > 0);
    }
}

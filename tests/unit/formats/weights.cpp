#include "serpette/formats/darknet/weights.hpp"

#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <set>

#include "serpette/formats/darknet/network_notes.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/reference_network.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

// Floats per convolution: 4·4 + 4·3·9, 4 + 16, 6 + 24.
constexpr std::size_t kFloats[] = {124, 20, 30};

test::ReferenceNetwork network(std::uint64_t seed) {
  return {test::GraphBuilder({3, 8, 8})
              .conv({.filters = 4,
                     .size = 3,
                     .padding = 1,
                     .batch_normalize = true,
                     .activation = Activation::kLeaky})
              .conv({.filters = 4, .activation = Activation::kLeaky})
              .shortcut(0)
              .head(1)
              .done(),
          Seed(seed)};
}

bool same(const test::ReferenceNetwork& a, const test::ReferenceNetwork& b, int below = 99) {
  for (const int i : a.graph().convolutions()) {
    if (i >= below) break;
    const auto x = tensors(a.layer(i)), y = tensors(b.layer(i));
    for (std::size_t k = 0; k < x.size(); ++k)
      if (!at::equal(x[k], y[k])) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("weights survive a round trip in both header forms", "[formats][weights]") {
  const test::Scratch folder;
  const auto saved = network(1);
  const auto [header, bytes] =
      GENERATE(table<WeightsHeader, std::size_t>({{{0, 2, 0, 1ULL << 40}, 20},
                                                  {{0, 1, 0, 77}, 16},
                                                  {{2, 0, 3, 5}, 20},
                                                  {{0, 1000, 0, 5}, 16}}));
  save_weights(saved, folder / "w", header);
  CHECK(std::filesystem::file_size(folder / "w") ==
        bytes + 4 * (kFloats[0] + kFloats[1] + kFloats[2]));
  auto loaded = network(2);
  REQUIRE_FALSE(same(saved, loaded));
  auto found = load_weights(loaded, folder / "w");
  CHECK(found.revision == structure_mark(saved.graph()));
  found.revision = header.revision;
  CHECK((found == header));
  CHECK(same(saved, loaded));
}

TEST_CASE("version 0.0 over a header of 20 bytes is read by the file's size",
          "[formats][weights]") {
  const test::Scratch folder;
  const auto saved = network(1);
  auto bytes = write_weights(saved, {0, 2, 0, 1ULL << 33});
  std::memset(bytes.data(), 0, 8);
  write_file(folder / "w", bytes);
  auto loaded = network(2);
  const auto header = load_weights(loaded, folder / "w");
  CHECK(header.seen == 1ULL << 33);
  CHECK(same(saved, loaded));
  write_file(folder / "n.cfg", "[net]\nbatch=1\nbatch=64\n");
  CHECK(network_notes(loaded.graph(), header, folder / "n.cfg", folder / "w") ==
        std::vector{
            fmt::format("{}:3: batch is given again and passed over: as in darknet the first "
                        "counts, batch=1",
                        (folder / "n.cfg").string()),
            fmt::format("{}: version 0.0 has a header of 16 bytes, but the file's size says 20, "
                        "and so it is read",
                        (folder / "w").string())});
  save_network(saved, folder / "n.cfg", folder / "w");
  CHECK(network_notes(saved.graph(), WeightsHeader{}, folder / "n.cfg", folder / "w").empty());
}

TEST_CASE("a network's structure marks its weights, not what people edit beside them",
          "[formats][weights]") {
  const auto graph = network(1).graph();
  auto edited = graph;
  edited.input.width = 16;
  edited.net.emplace_back("batch", "1");
  std::get<Yolo>(edited.layers.back().operation).anchors.front() = {3, 4};
  CHECK(structure_mark(edited) == structure_mark(graph));
  CHECK(structure_mark(graph) >= 1 << 30);
  std::set<std::int32_t> marks{structure_mark(graph)};
  std::get<Convolutional>(edited.layers[0].operation).stride = 2;
  marks.insert(structure_mark(edited));
  edited.layers[2].inputs.back() = kImage;
  marks.insert(structure_mark(edited));
  std::get<Shortcut>(edited.layers[2].operation).activation = Activation::kRelu;
  marks.insert(structure_mark(edited));
  CHECK(marks.size() == 4);
}

TEST_CASE("a save that is killed leaves the old pair, the new one or a refusal",
          "[formats][weights]") {
  // As many numbers, in other places: sizes alone do not tell.
  const auto pair_of = [](int last) {
    return test::ReferenceNetwork(test::GraphBuilder({3, 8, 8})
                                      .conv({.filters = 4, .activation = Activation::kLeaky})
                                      .conv({.filters = 4, .activation = Activation::kLeaky})
                                      .shortcut(last)
                                      .head(1)
                                      .done(),
                                  Seed(1));
  };
  const auto a = pair_of(0), b = pair_of(1);
  const test::Scratch folder;
  const auto cfg = folder / "n.cfg", weights = folder / "n.weights";
  const auto load = [&] {
    auto target = test::ReferenceNetwork(load_cfg(cfg), Seed(9));
    load_weights(target, weights);
    return target.graph()[2].inputs;
  };
  save_network(a, cfg, weights);
  CHECK(load() == a.graph()[2].inputs);

  {  // killed between the two names
    StagedFile text(cfg, write_cfg(b.graph()));
    StagedFile(weights, write_weights(b)).commit();
  }
  CHECK_THROWS_MATCHES(load(), Error,
                       MessageMatches(ContainsSubstring(
                           "n.weights: should have been saved with this cfg, got the weights of "
                           "another network of the same size")));
  save_network(b, cfg, weights);
  CHECK(load() == b.graph()[2].inputs);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);

  // Killed anywhere: a child saves both in turn until it is shot.
  const auto texts = std::array{write_cfg(a.graph()), write_cfg(b.graph())};
  const auto numbers = std::array{write_weights(a), write_weights(b)};
  int refused = 0;
  for (int round = 0; round < 40; ++round) {
    const auto child = ::fork();
    if (child == 0)
      for (std::size_t k = 0;; k = 1 - k) {
        StagedFile text(cfg, texts[k]), bytes(weights, numbers[k]);
        bytes.commit();
        text.commit();
      }
    ::usleep(static_cast<useconds_t>(2000 + 311 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    try {
      load();
    } catch (const Error& error) {
      CHECK_THAT(error.what(), ContainsSubstring("should have been saved with this cfg"));
      ++refused;
    }
  }
  INFO(refused << " of 40 kills fell between the names");
  CHECK(refused < 40);
}

TEST_CASE("the file's order is darknet's: beta, gamma, mean, variance, weight",
          "[formats][weights]") {
  const test::Scratch folder;
  std::string bytes;
  const auto put = [&](auto value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  for (const std::int32_t v : {0, 1, 0, 9}) put(v);
  for (std::size_t i = 0; i < 174; ++i) put(static_cast<float>(i));
  write_file(folder / "w", bytes);
  auto loaded = network(1);
  CHECK(load_weights(loaded, folder / "w").seen == 9);
  const auto first = loaded.layer(0);
  CHECK(first.beta[0].item<float>() == 0);
  CHECK(first.gamma[0].item<float>() == 4);
  CHECK(first.running_mean[0].item<float>() == 8);
  CHECK(first.running_var[0].item<float>() == 12);
  CHECK(first.weight[0][0][0][0].item<float>() == 16);
  CHECK(first.weight[1][2][0][1].item<float>() == 16 + 27 + 18 + 1);
  CHECK(loaded.layer(1).bias[0].item<float>() == 124);
  CHECK(loaded.layer(1).weight[0][0][0][0].item<float>() == 128);
}

TEST_CASE("partial files hold the layers below their number", "[formats][weights]") {
  const test::Scratch folder;
  const auto saved = network(1);
  const auto fresh = network(2);
  save_weights(saved, folder / "net.conv.2", {}, 2);
  CHECK(std::filesystem::file_size(folder / "net.conv.2") == 20 + 4 * (kFloats[0] + kFloats[1]));
  auto loaded = network(2);
  load_weights(loaded, folder / "net.conv.2", partial_cutoff(folder / "net.conv.2"));
  CHECK(same(saved, loaded, 2));
  CHECK(at::equal(loaded.layer(3).weight, fresh.layer(3).weight));
  // A whole file read up to a layer.
  save_weights(saved, folder / "whole");
  loaded = network(2);
  load_weights(loaded, folder / "whole", 1);
  CHECK(same(saved, loaded, 1));
  CHECK(at::equal(loaded.layer(1).weight, fresh.layer(1).weight));

  CHECK(partial_cutoff("a/darknet53.conv.74") == 74);
  CHECK(partial_cutoff("yolov3-tiny.conv.15") == 15);
  CHECK_FALSE(partial_cutoff("yolov3.weights"));
  CHECK_FALSE(partial_cutoff("a.conv.x"));
  CHECK_FALSE(partial_cutoff("a.conv.74.weights"));
}

TEST_CASE("truncated and oversized files are refused with place, expected and found",
          "[formats][weights][errors]") {
  const test::Scratch folder;
  const auto saved = network(1);
  save_weights(saved, folder / "w");
  auto bytes = read_file(folder / "w");
  const auto refuses = [&](const std::string& content, const std::string& message) {
    write_file(folder / "bad", content);
    auto target = network(2);
    CHECK_THROWS_MATCHES(load_weights(target, folder / "bad"), Error,
                         MessageMatches(ContainsSubstring("bad: " + message)));
    CHECK(same(target, network(2)));
  };
  refuses("", "should begin with a header of 16 or 20 bytes, got 0 bytes");
  refuses(bytes.substr(0, 18), "should begin with a header");
  refuses(bytes.substr(0, 20), "conv_0 should find 124 floats at byte 20, got 0");
  refuses(bytes.substr(0, bytes.size() - 1), "conv_3 should find 30 floats at byte 596, got 29");
  refuses(bytes.substr(0, 20 + 4 * 130), "conv_1 should find 20 floats at byte 516, got 6");
  refuses(bytes + "x", "should end after byte 716 with the last convolution, got 1 bytes more");
  const auto with = [&](std::size_t at, float value) {
    auto changed = bytes;
    std::memcpy(changed.data() + at, &value, sizeof value);
    return changed;
  };
  refuses(with(20, std::nanf("")), "conv_0 should be finite numbers, got NaN at byte 20");
  refuses(with(516 + 16, INFINITY),
          "conv_1 should be finite numbers, got an infinite one at byte 532");
  auto target = network(2);
  CHECK_THROWS_MATCHES(load_weights(target, folder / "none"), Error,
                       MessageMatches(ContainsSubstring("none")));
}

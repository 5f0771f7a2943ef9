#include "serpette/formats/onnx/write_onnx.hpp"

#include <algorithm>

#include "serpette/deploy/folded_network.hpp"
#include "serpette/detector/decode.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/filter.hpp"
#include "support/catch.hpp"
#include "support/onnx_reader.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using serpette::test::OnnxReader;
using serpette::test::ReferenceNetwork;
using serpette::test::relative_error;

namespace {

at::Tensor images_for(const Graph& g, int n) {
  Generator rng(Seed(5));
  return at::rand({n, g.input.channels, g.input.height, g.input.width}, rng.torch());
}

bool has(const OnnxReader& model, const std::string& op) {
  const auto all = model.operators();
  return std::ranges::find(all, op) != all.end();
}

}  // namespace

TEST_CASE("an ONNX model computes what the network computes, on random graphs", "[formats][onnx]") {
  for (std::uint64_t i = 0; i < 25; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    const auto images = images_for(network.graph(), 2);
    const auto expected = network.forward(images);
    const auto bytes = write_onnx(network);
    const OnnxReader model(bytes);
    CHECK(relative_error(model.run(images), expected) < 1e-5);
    const auto folded_bytes = write_onnx(deploy::FoldedNetwork(network));
    const OnnxReader folded(folded_bytes);
    CHECK_FALSE(has(folded, "BatchNormalization"));
    CHECK(relative_error(folded.run(images), expected) < 1e-5);
  }
}

TEST_CASE("an ONNX model says what it is", "[formats][onnx]") {
  const ReferenceNetwork network(test::all_kinds(), Seed(1));
  const auto bytes = write_onnx(network);
  const OnnxReader model(bytes);
  CHECK(model.format() == 7);
  CHECK(model.opset() == 13);
  CHECK(has(model, "BatchNormalization"));
  CHECK(model.outputs() == std::vector<std::string>{"head_0", "head_1"});
  CHECK(model.note("darknet_cfg") == write_cfg(network.graph()));
  CHECK(write_onnx(network) == bytes);
  CHECK(write_onnx(network, {.batch = 1}) != bytes);
}

TEST_CASE("silent filters do not reach an ONNX model of a folded network", "[formats][onnx]") {
  const ReferenceNetwork network(test::random_graph(Seed(3)), Seed(3));
  const auto& graph = network.graph();
  const auto masked = network.masked(
      make_mask(graph, laws::random_scores(graph, Seed(9)), Ratio::percent(70), Filter{}));
  const auto images = images_for(graph, 1);
  const auto bytes = write_onnx(deploy::FoldedNetwork(masked));
  CHECK(bytes.size() < 0.6 * static_cast<double>(write_onnx(masked).size()));
  CHECK(relative_error(OnnxReader(bytes).run(images), masked.forward(images)) < 1e-5);
}

TEST_CASE("windows of a pool that lie in its padding are padded before", "[formats][onnx]") {
  const ReferenceNetwork network(test::GraphBuilder({3, 8, 8})
                                     .conv({.filters = 4, .activation = Activation::kLeaky})
                                     .max_pool({.size = 2, .stride = 1, .padding = 5})
                                     .head(2)
                                     .done(),
                                 Seed(1));
  const auto bytes = write_onnx(network);
  CHECK(has(OnnxReader(bytes), "Pad"));
}

TEST_CASE("boxes of an ONNX model are those of decode", "[formats][onnx]") {
  const auto scale = GENERATE(1.0F, 1.1F);
  const auto anchors = std::vector<std::array<float, 2>>{{6, 9}, {12, 12}, {9, 5}};
  const ReferenceNetwork network(test::GraphBuilder({3, 32, 24})
                                     .conv({.filters = 8,
                                            .size = 3,
                                            .stride = 2,
                                            .padding = 1,
                                            .activation = Activation::kLeaky})
                                     .head(Yolo{.anchors = anchors,
                                                .mask = {0, 2},
                                                .classes = 3,
                                                .scale_x_y = scale,
                                                .new_coords = scale > 1})
                                     .route({0})
                                     .conv({.filters = 8,
                                            .size = 3,
                                            .stride = 2,
                                            .padding = 1,
                                            .activation = Activation::kLeaky})
                                     .head(Yolo{.anchors = anchors,
                                                .mask = {1},
                                                .classes = 3,
                                                .scale_x_y = scale,
                                                .new_coords = scale > 1})
                                     .done(),
                                 Seed(4));
  const auto& graph = network.graph();
  const auto images = images_for(graph, 2) * 3;
  const std::int64_t limit = 5000;
  const auto bytes =
      write_onnx(network, {.boxes = onnx::Boxes{.confidence = 0.25, .nms = 0.45, .limit = limit}});
  const OnnxReader model(bytes);
  CHECK(model.outputs() == std::vector<std::string>{"boxes", "scores", "classes", "image"});
  const auto found = model.run(images);
  const auto boxes = found[0].accessor<float, 2>();
  const auto scores = found[1].accessor<float, 1>();
  const auto classes = found[2].accessor<std::int64_t, 1>(),
             image = found[3].accessor<std::int64_t, 1>();

  ImageBatch batch;
  batch.images = images;
  for (int n = 0; n < 2; ++n) {
    batch.geometry.push_back(Letterbox::fit(graph.input.width, graph.input.height,
                                            graph.input.width, graph.input.height));
    batch.image_ids.push_back(n);
  }
  const auto expected = decode(graph, network.forward(images), batch,
                               {.confidence = 0.25, .nms = 0.45, .limit = limit});
  REQUIRE(expected[0].size() > 20);
  CHECK(found[0].size(0) == std::ssize(expected[0]) + std::ssize(expected[1]));
  for (const auto& of_image : expected)
    for (const Detection& d : of_image) {
      bool is_there = false;
      for (std::int64_t k = 0; k < found[0].size(0); ++k)
        is_there |= image[k] == d.image_id && classes[k] == d.category &&
                    std::abs(scores[k] - d.score) < 1e-5 &&
                    std::abs(boxes[k][0] - d.box.x) < 1e-3 &&
                    std::abs(boxes[k][1] - d.box.y) < 1e-3 &&
                    std::abs(boxes[k][2] - d.box.x - d.box.width) < 1e-3 &&
                    std::abs(boxes[k][3] - d.box.y - d.box.height) < 1e-3;
      CHECK(is_there);
    }
}

TEST_CASE("a network without heads is no ONNX model", "[formats][onnx]") {
  const ReferenceNetwork network(test::GraphBuilder({3, 8, 8}).conv({.filters = 4}).done(),
                                 Seed(1));
  CHECK_THROWS_WITH(write_onnx(network),
                    "ONNX: should be written of a network with a head, got none");
}

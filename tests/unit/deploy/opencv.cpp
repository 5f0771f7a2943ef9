#include "serpette/torch/nn.hpp"

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/deploy/plan.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/method/state.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/score/reveal_cancel.hpp"
#include "support/catch.hpp"
#include "support/reference_network.hpp"
#include "support/scratch.hpp"

using namespace serpette;

namespace {

std::string bytes(const std::string& hex) {
  std::string found(hex.size() / 2, '\0');
  for (std::size_t i = 0; i < found.size(); ++i)
    found[i] = static_cast<char>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return found;
}

at::Tensor floats(const std::string& hex, at::IntArrayRef shape) {
  const auto data = bytes(hex);
  auto tensor = at::empty(shape);
  REQUIRE(tensor.nbytes() == data.size());
  std::memcpy(tensor.mutable_data_ptr(), data.data(), data.size());
  return tensor;
}

}  // namespace

TEST_CASE("a network with gates is pruned and explained like any other", "[deploy][yolov3]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/opencv_heads.json")));
  Yolov3 network(parse_cfg(golden["networks"]["gates"]["cfg"].get<std::string>(), "gates"),
                 Seed(3));
  const torch::NoGradGuard no_grad;
  Generator rng{Seed(4)};
  const auto images = at::rand({2, 3, 32, 32}, rng.torch());
  ScoreMap scores;
  for (const int i : network.graph().convolutions())
    scores.push_back(network.layer(i).weight.detach().abs());

  // What multiplies goes together, and what remains computes the same.
  const auto mask = make_mask(network.graph(), scores, Ratio::percent(30), Filter{});
  auto masked = network.clone();
  apply_mask(mask, masked);
  const auto small = masked.compact(mask);
  CHECK(parameters(small.graph()) < parameters(network.graph()));
  CHECK(test::relative_error(small.forward(images), masked.forward(images)) < 1e-4);
  CHECK(test::relative_error(deploy::make_plan(masked, {.measure = false}).forward(images),
                             masked.forward(images)) < 1e-4);

  // All of the target's difference passes the first convolution.
  const Attribution net(network);
  const auto now = net.run(images), then = net.run(at::zeros_like(images));
  double sum = 0;
  net.explain(now, then, {at::ones_like(net.heads(now)[0])},
              [&](std::size_t position, const at::Tensor& sums) {
                if (position == 0) sum += (net.weight(0) * sums).sum().item<double>();
              });
  const auto difference = (net.heads(now)[0].sum() - net.heads(then)[0].sum()).item<double>();
  CHECK(sum == Catch::Approx(difference).epsilon(1e-3));
  CHECK_THROWS_WITH(
      RevealCancel(net, now, then),
      Catch::Matchers::ContainsSubstring("scale_channels_5: RevealCancel has no rule"));
}

TEST_CASE("heads of AlexeyAB's layers are OpenCV's within 1e-4", "[deploy][yolov3][golden]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/opencv_heads.json")));
  const test::Scratch folder;
  const torch::NoGradGuard no_grad;
  for (const auto& [name, given] : golden["networks"].items()) {
    INFO(name);
    write_file(folder / "n.cfg", given["cfg"].get<std::string>());
    write_file(folder / "n.weights", bytes(given["weights"]));
    const auto network = Yolov3::load(folder / "n.cfg", folder / "n.weights");
    const auto image = floats(given["image"], {1, 3, 32, 32});
    std::vector<at::Tensor> wanted;
    for (const int i : network.graph().heads()) {
      const auto& s = network.graph().shape(i);
      wanted.push_back(floats(given["heads"][wanted.size()], {1, s.channels, s.height, s.width}));
    }
    CHECK(test::relative_error(network.forward(image), wanted) < 1e-4);
    CHECK(test::relative_error(network.frozen().forward(image), wanted) < 1e-4);
    CHECK(test::relative_error(deploy::make_plan(network, {.measure = false}).forward(image),
                               wanted) < 1e-4);
    // Where OpenCV says it: the boxes, whose numbers stand prediction by prediction in each cell.
    for (std::size_t h = 0; given.contains("boxes") && h < wanted.size(); ++h) {
      const auto& yolo = network.graph().head(network.graph().heads()[h]);
      const auto& s = network.graph().shape(network.graph().heads()[h]);
      const auto anchors = static_cast<int>(yolo.mask.size());
      const auto boxes = floats(given["boxes"][h], {s.height, s.width, anchors, 5});
      const auto heads = network.forward(image)[h].view({anchors, -1, s.height, s.width});
      double worst = 0;
      for (int y = 0; y < s.height; ++y)
        for (int x = 0; x < s.width; ++x)
          for (int a = 0; a < anchors; ++a) {
            const auto logit = [&](int k) { return heads[a][k][y][x].item<double>(); };
            const auto& anchor =
                yolo.anchors[static_cast<std::size_t>(yolo.mask[static_cast<std::size_t>(a)])];
            const auto centre = [&](int k) {
              return yolo.scale_x_y * serpette::detail::sigmoid(logit(k)) -
                     (yolo.scale_x_y - 1) / 2;
            };
            const double box[] = {
                (centre(0) + x) / s.width, (centre(1) + y) / s.height,
                serpette::detail::growth(yolo.new_coords, logit(2)) * anchor[0] / 32,
                serpette::detail::growth(yolo.new_coords, logit(3)) * anchor[1] / 32,
                serpette::detail::sigmoid(logit(4))};
            for (int k = 0; k < 5; ++k)
              worst = std::max(worst, std::abs(box[k] - boxes[y][x][a][k].item<double>()));
          }
      CHECK(worst < 1e-4);
    }
    // And what is saved is read as the same network.
    network.save(folder / "again.cfg", folder / "again.weights");
    const auto again = Yolov3::load(folder / "again.cfg", folder / "again.weights");
    CHECK(at::equal(again.forward(image)[0], network.forward(image)[0]));
  }
}

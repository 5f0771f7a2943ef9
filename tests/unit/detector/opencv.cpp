#include <torch/torch.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/deploy/plan.hpp"
#include "serpette/detector/yolov3.hpp"
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

TEST_CASE("heads of AlexeyAB's layers are OpenCV's within 1e-4", "[detector][yolov3][golden]") {
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
    // And what is saved is read as the same network.
    network.save(folder / "again.cfg", folder / "again.weights");
    const auto again = Yolov3::load(folder / "again.cfg", folder / "again.weights");
    CHECK(at::equal(again.forward(image)[0], network.forward(image)[0]));
  }
}

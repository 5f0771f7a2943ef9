#include "serpette/torch/nn.hpp"

#include "serpette/deploy/plan.hpp"
#include "serpette/detector/yolov3.hpp"
#include "support/catch.hpp"
#include "support/npz.hpp"

using namespace serpette;

TEST_CASE("Winograd's and direct convolutions keep the published network's heads on a photograph",
          "[deploy][winograd][direct][real]") {
  const auto folder = test::real_data();
  const auto net = Yolov3::load(folder / "darknet/yolov3-tiny.cfg", folder / "yolov3-tiny.weights");
  const at::NoGradGuard no_grad;
  const auto arrays = test::read_npz(folder / "oracle/000000166918.npz");
  const auto& image = arrays.at("input");
  deploy::Choices ours;
  for (const int i : net.graph().convolutions()) {
    const auto& c = net.graph().convolution(i);
    ours[net.graph()[i].name] = c.size == 3 && c.stride == 1 ? "winograd" : "direct";
  }
  auto plan = deploy::make_plan(net, {.choices = ours});
  const auto got = plan.forward(image);
  for (std::size_t h = 0; h < got.size(); ++h)  // the reference program's heads
    CHECK((got[h] - arrays.at("head" + std::to_string(h))).abs().max().item<double>() < 1e-4);
}

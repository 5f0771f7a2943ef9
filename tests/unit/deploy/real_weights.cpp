#include "serpette/torch/nn.hpp"

#include <array>

#include "serpette/data/coco_folder.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/io/coco_json.hpp"
#include "serpette/metric/coco_evaluation.hpp"
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

TEST_CASE("a plan in bfloat16 finds on real photographs what the float one finds",
          "[deploy][bfloat16][real][slow]") {
  if (!deploy::has_bfloat16()) SKIP("this processor has no AVX512-BF16");
  const auto data = test::real_data();
  const auto net = Yolov3::load(data / "darknet/yolov3-tiny.cfg", data / "yolov3-tiny.weights");
  const auto instances = load_instances(data / "coco_dev/instances.json");
  const CocoFolder dataset(instances, data / "coco_dev/images", {});
  const at::NoGradGuard no_grad;
  auto whole = deploy::make_plan(net, {.measure = false}),
       half = deploy::make_plan(net, {.measure = false, .precision = Precision::kBFloat16});
  std::array<std::vector<Detection>, 2> found;
  double difference = 0, largest = 0;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto batch = dataset.batch(std::array{i});
    const std::array heads{whole.forward(batch.images), half.forward(batch.images)};
    for (std::size_t k = 0; k < 2; ++k) {
      const auto of_image = decode(net.graph(), heads[k], batch, {.confidence = 0.001})[0];
      found[k].insert(found[k].end(), of_image.begin(), of_image.end());
      difference = std::max(difference, (heads[1][k] - heads[0][k]).abs().max().item<double>());
      largest = std::max(largest, heads[0][k].abs().max().item<double>());
    }
  }
  const auto before = evaluate(instances, found[0]), after = evaluate(instances, found[1]);
  UNSCOPED_INFO(
      fmt::format("heads differ by {:.4f} of {:.1f}; AP {:.4f} → {:.4f}, AP50 {:.4f} → {:.4f}",
                  difference, largest, before.AP, after.AP, before.AP50, after.AP50));
  CHECK(difference < 0.05 * largest);
  CHECK(std::abs(after.AP - before.AP) < 0.01);
  CHECK(std::abs(after.AP50 - before.AP50) < 0.01);
}

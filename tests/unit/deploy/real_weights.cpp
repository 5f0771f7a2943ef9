#include "serpette/torch/nn.hpp"

#include <array>
#include <set>

#include "serpette/data/coco_folder.hpp"
#include "serpette/deploy/calibration.hpp"
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

TEST_CASE("plans in fewer bits find on real photographs what the float one finds",
          "[deploy][bfloat16][int8][real][slow]") {
  const auto data = test::real_data();
  const auto net = Yolov3::load(data / "darknet/yolov3-tiny.cfg", data / "yolov3-tiny.weights");
  auto instances = load_instances(data / "coco_dev/instances.json");
  // Every fourth photograph is for calibration alone.
  std::vector<CocoImage> seen, tested;
  std::set<std::int64_t> is_seen;
  for (std::size_t i = 0; i < instances.images.size(); ++i) {
    (i % 4 == 0 ? seen : tested).push_back(instances.images[i]);
    if (i % 4 == 0) is_seen.insert(instances.images[i].id);
  }
  const CocoFolder photographs({.images = seen, .categories = instances.categories},
                               data / "coco_dev/images", {});
  instances.images = tested;
  std::erase_if(instances.annotations, [&](const auto& a) { return is_seen.contains(a.image_id); });
  const CocoFolder dataset(instances, data / "coco_dev/images", {});
  const at::NoGradGuard no_grad;
  deploy::Calibration calibration(net);
  for (std::int64_t i = 0; i < photographs.size(); ++i)
    calibration.observe(photographs.batch(std::array{i}).images);

  std::vector<deploy::Plan> plans;
  plans.push_back(deploy::make_plan(net, {.measure = false}));
  if (deploy::has_bfloat16())
    plans.push_back(
        deploy::make_plan(net, {.measure = false, .precision = deploy::PlanPrecision::kBFloat16}));
  if (deploy::has_int8())
    plans.push_back(deploy::make_plan(net, {.measure = false,
                                            .precision = deploy::PlanPrecision::kInt8,
                                            .ranges = calibration.ranges()}));
  std::vector<std::vector<Detection>> found(plans.size());
  std::vector<double> difference(plans.size(), 0);
  double largest = 0;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto batch = dataset.batch(std::array{i});
    const auto wanted = plans.front().forward(batch.images);
    for (std::size_t p = 0; p < plans.size(); ++p) {
      const auto heads = p == 0 ? wanted : plans[p].forward(batch.images);
      const auto of_image = decode(net.graph(), heads, batch, {.confidence = 0.001})[0];
      found[p].insert(found[p].end(), of_image.begin(), of_image.end());
      for (std::size_t k = 0; k < heads.size(); ++k) {
        difference[p] = std::max(difference[p], (heads[k] - wanted[k]).abs().max().item<double>());
        largest = std::max(largest, wanted[k].abs().max().item<double>());
      }
    }
  }
  const auto before = evaluate(instances, found.front());
  for (std::size_t p = 1; p < plans.size(); ++p) {
    const auto after = evaluate(instances, found[p]);
    UNSCOPED_INFO(
        fmt::format("{}: heads differ by {:.4f} of {:.1f}; AP {:.4f} → {:.4f}, AP50 "
                    "{:.4f} → {:.4f}",
                    settings_text(plans[p].precision()), difference[p], largest, before.AP,
                    after.AP, before.AP50, after.AP50));
    CHECK(difference[p] < 0.2 * largest);
    CHECK(std::abs(after.AP - before.AP) < 0.01);
    CHECK(std::abs(after.AP50 - before.AP50) < 0.01);
  }
}

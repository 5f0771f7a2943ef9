#include "serpette/method/robustness.hpp"

#include <algorithm>

#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/attack/square.hpp"
#include "serpette/attack/tog.hpp"
#include "serpette/color/rgb.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;

TEST_CASE("no single attack finds fewer boxes of an image than the worst case",
          "[method][robustness]") {
  test::TinyDetector detector;
  auto network = detector.frozen();
  const test::NoiseData data(6, 4);
  Silent silent;
  const EvaluateSettings settings{.batch_size = 3, .images = 5};
  const auto run = [&](const auto&... attacks) {
    return measure_robustness(detector, network, data, Rgb{}, settings, Seed(2), at::kCPU, silent,
                              attacks...);
  };
  const auto result = run(Fgsm{}, Pgd{}, TogVanishing{}, Square{.queries = 10});
  REQUIRE(result.attacks ==
          std::vector<std::string_view>{"None", "FGSM", "PGD", "TOG vanishing", "Square"});
  CHECK(result.worst_attack.size() == 5);
  const auto of_image = [&](const std::vector<Detection>& all, std::int64_t id) {
    std::vector<Detection> mine;
    std::copy_if(all.begin(), all.end(), std::back_inserter(mine),
                 [&](const Detection& d) { return d.image_id == id; });
    std::vector<CocoAnnotation> truth;
    for (const auto& a : data.instances().annotations)
      if (a.image_id == id) truth.push_back(a);
    return result_of_image(truth, mine);
  };
  for (const auto& [id, attack] : result.worst_attack) {
    const auto worst = of_image(result.worst.detections, id);
    CHECK(worst == of_image(result.each[attack].detections, id));
    for (const auto& each : result.each) CHECK(worst <= of_image(each.detections, id));
  }
  // An attack's result does not depend on what stands beside it.
  const auto alone = run(TogVanishing{});
  CHECK((alone.each[1].detections == result.each[3].detections));
}

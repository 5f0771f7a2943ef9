#include "support/allocations.hpp"

#include <ATen/Parallel.h>

#include <vector>

#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/pruned_network.hpp"
#include "support/reference_network.hpp"
#include "support/slim_yolov3.hpp"

using namespace serpette;

TEST_CASE("a plan of a detector takes no memory while it runs, dense or pruned, in any precision",
          "[deploy][allocations]") {
  if (!test::counts_allocations()) SKIP("no glibc here");
  const auto percent = GENERATE(0, 75, 95);
  const auto precision = GENERATE(deploy::PlanPrecision::kFloat32, deploy::PlanPrecision::kBFloat16,
                                  deploy::PlanPrecision::kInt8);
  if (precision == deploy::PlanPrecision::kBFloat16 && !deploy::has_bfloat16())
    SKIP("this processor has no AVX512-BF16");
  if (precision == deploy::PlanPrecision::kInt8 && !deploy::has_int8())
    SKIP("this processor has no AVX512-VNNI");
  const test::ReferenceNetwork whole(test::slim_yolov3(), Seed(3));
  const auto network = test::pruned(whole, Weight{}, percent);
  const auto images = test::images_for(network.graph(), 1);
  deploy::PlanOptions options{.measure = false, .precision = precision};
  if (precision == deploy::PlanPrecision::kInt8) {
    deploy::Calibration calibration(network);
    calibration.observe(images);
    options.ranges = calibration.ranges();
  }
  auto plan = deploy::make_plan(network, options);
  const int threads = GENERATE(1, 2), before = at::get_num_threads();
  at::set_num_threads(threads);
  double sum = 0;
  const auto run = [&] {
    plan.run(images.const_data_ptr<float>(),
             [&](std::size_t, const deploy::ConstMap& logits) { sum += *logits.data; });
  };
  run();  // threads start, and their buffers grow
  const auto taken = test::allocations_in([&] {
    for (int i = 0; i < 5; ++i) run();
  });
  at::set_num_threads(before);
  CHECK(taken == 0);
  CHECK(sum != 0);
  // What LibTorch hands over is counted, too.
  std::vector<at::Tensor> heads;
  CHECK(test::allocations_in([&] { heads = plan.forward(images); }) >= 3);
}

#include "serpette/metric/stopwatch.hpp"

#include "support/catch.hpp"

#include <thread>

using namespace serpette;
using Catch::Approx;

TEST_CASE("repeated measurements in numbers", "[metric][stopwatch]") {
  const std::vector<double> samples{4, 1, 3, 2};
  const auto s = statistics_of(samples);
  CHECK(s.median == 2.5);
  CHECK(s.mean == 2.5);
  CHECK(s.min == 1);
  CHECK(s.max == 4);
  CHECK(s.p5 == Approx(1.15));  // numpy.percentile([1, 2, 3, 4], 5)
  CHECK(s.p95 == Approx(3.85));
  const std::vector<double> one{7};
  CHECK(statistics_of(one).p95 == 7);
  CHECK_THROWS_AS(statistics_of({}), Error);
}

TEST_CASE("warm-up is not measured and the device is waited for", "[metric][stopwatch]") {
  int runs = 0, waits = 0;
  const auto s = measure(
      [&] {
        if (++runs > 2) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      },
      [&] { ++waits; }, 2, 3);
  CHECK(runs == 5);
  CHECK(waits == 6);
  CHECK(s.min >= 2);
  CHECK(s.median >= s.min);
  CHECK_THROWS_AS(measure([] {}, [] {}, 0, 0), Error);
}

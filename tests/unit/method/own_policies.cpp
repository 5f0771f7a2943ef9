// The objective of docs/policies/objective.md and essay 06.

#include "../../../examples/hardened.hpp"
#include "serpette/laws/objective.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "support/catch.hpp"
#include "support/noise_data.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;

TEST_CASE("objectives hold the laws, a user's own too", "[objective][law]") {
  test::TinyDetector detector;
  const test::NoiseData data(4, 1);
  const auto batch = data.batch(std::vector<std::int64_t>{0, 1, 2, 3});
  laws::objective(Hardened{}, detector, batch);
  laws::objective(PgdAdversarial{}, detector, batch);
}

#include "serpette/detail/widest.hpp"

#include <vector>

#include "support/catch.hpp"

TEST_CASE("the widest vectors run the body once and reach its end", "[detail][widest]") {
  std::vector<float> x(1003, 2), y(1003, 1);
  int runs = 0;
  serpette::detail::widest([&]() SERPETTE_INLINE {
    ++runs;
    SERPETTE_INDEPENDENT
    for (std::size_t i = 0; i < x.size(); ++i) y[i] += 3 * x[i];
  });
  CHECK(runs == 1);
  CHECK(y == std::vector<float>(1003, 7));
}

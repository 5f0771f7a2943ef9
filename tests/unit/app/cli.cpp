#include "serpette/app/cli.hpp"

#include "support/catch.hpp"

TEST_CASE("the unpruned network is added to ratios once, however it was written", "[app][cli]") {
  using Texts = std::vector<std::string>;
  using serpette::cli::with_unpruned;
  CHECK(with_unpruned({"50", "75"}) == Texts{"0", "50", "75"});
  CHECK(with_unpruned({"50", "0"}) == Texts{"50", "0"});
  CHECK(with_unpruned({"0.0", "50"}) == Texts{"0.0", "50"});
  CHECK_THROWS_AS(with_unpruned({"50", "x"}), serpette::Error);
}

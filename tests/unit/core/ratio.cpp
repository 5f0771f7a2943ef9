#include "serpette/core/ratio.hpp"

#include "support/catch.hpp"

using serpette::Error;
using serpette::Ratio;

TEST_CASE("a ratio counts exactly", "[core][ratio]") {
  CHECK(Ratio::percent(25).count(100) == 25);
  CHECK(Ratio::percent(99).count(432) == 427);
  CHECK(Ratio::parse("99.5").count(1000) == 995);
  constexpr std::int64_t kMany = 4'000'000'000'000'000'003;  // femtoseconds, or a large net's MACs
  CHECK(Ratio::percent(50).count(kMany) == kMany / 2);
  CHECK(Ratio::parse("99.999999").count(kMany) == kMany - (kMany + 99'999'999) / 100'000'000);
  for (int percent = 0; percent < 100; ++percent)
    for (std::int64_t n = 0; n < 500; ++n)
      CHECK(Ratio::percent(percent).count(n) == n * percent / 100);
}

TEST_CASE("a fraction that is a percentage is that ratio", "[core][ratio]") {
  for (int percent = 0; percent < 100; ++percent) {
    CHECK(Ratio::nearest(percent / 100.0) == Ratio::percent(percent));
    CHECK(Ratio::nearest(1 - (100 - percent) / 100.0) == Ratio::percent(percent));
  }
}

TEST_CASE("a ratio reads and writes percents", "[core][ratio]") {
  for (const char* text : {"0", "25", "99.5", "12.345678"}) CHECK(Ratio::parse(text).str() == text);
  for (int percent = 0; percent < 100; ++percent)
    CHECK(Ratio::percent(percent).percents() == percent);
  for (const char* text :
       {"", "100", "-1", "1.", ".5", "a", "1e1", "-0.5", "1.2345678", "150", "nan", "5 "})
    CHECK_THROWS_AS(Ratio::parse(text), Error);
}

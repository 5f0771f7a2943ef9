#include "serpette/core/parse_number.hpp"

#include <cstdint>
#include <limits>

#include "support/catch.hpp"

using serpette::parse_number;

TEST_CASE("a number is a whole text", "[core][text]") {
  CHECK(parse_number<int>("-12") == -12);
  CHECK(parse_number<double>("1e-3") == 1e-3);
  CHECK(parse_number<std::int64_t>("9223372036854775807") ==
        std::numeric_limits<std::int64_t>::max());
  for (const char* text : {"", " 1", "1 ", "+1", "1.5", "1x", "x", "0x10", "99999999999", "-"})
    CHECK_FALSE(parse_number<int>(text));
  for (const char* text : {"", "1,5", "1.5 ", "nan", "inf", "-inf", "1e999", "1.5.", "e5"})
    CHECK_FALSE(parse_number<double>(text));
  CHECK_FALSE(parse_number<unsigned>("-1"));
  CHECK_FALSE(parse_number<int>({}));
}

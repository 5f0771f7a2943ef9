#include "serpette/core/counted.hpp"

#include <cstddef>
#include <cstdint>

#include "support/catch.hpp"

TEST_CASE("one of something is not several", "[core][counted]") {
  using serpette::counted;
  CHECK(counted(1, "image") == "1 image");
  CHECK(counted(std::size_t{0}, "image") == "0 images");
  CHECK(counted(std::int64_t{2}, "box") == "2 boxes");
  CHECK(counted(1, "class") == "1 class");
  CHECK(counted(3, "class") == "3 classes");
}

#include "serpette/io/image.hpp"

#include "fuzz/fuzz.hpp"

SERPETTE_FUZZ_TARGET(image) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::decode_image(serpette::test::text(data, size), "input"); });
}

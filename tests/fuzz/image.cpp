#include "serpette/io/image.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::decode_image(serpette::test::text(data, size), "input"); });
}

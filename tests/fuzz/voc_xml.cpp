#include "serpette/io/voc_xml.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::load_voc(serpette::test::input_file(data, size, "a.xml").parent_path()); });
}

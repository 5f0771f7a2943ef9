#include "serpette/io/voc_xml.hpp"

#include "fuzz/fuzz.hpp"

SERPETTE_FUZZ_TARGET(voc_xml) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::load_voc(serpette::test::input_file(data, size, "a.xml").parent_path()); });
}

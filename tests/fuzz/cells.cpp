#include "serpette/study/cells.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return serpette::test::accept_or_refuse(
      [&] { serpette::read_cells(serpette::test::input_file(data, size, "cells.csv")); });
}

#include "serpette/study/cells.hpp"

#include "fuzz/fuzz.hpp"

// Both tables of a study.
SERPETTE_FUZZ_TARGET(cells) {
  const auto file = serpette::test::input_file(data, size, "cells.csv");
  serpette::test::accept_or_refuse([&] { serpette::read_cells(file); });
  return serpette::test::accept_or_refuse([&] { serpette::read_evaluations(file); });
}

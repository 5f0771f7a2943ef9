// For the tests of main.cpp: of two cases one is skipped.
#include "support/catch.hpp"

TEST_CASE("a case that passes") { CHECK(true); }

TEST_CASE("a case that is skipped") { SKIP("always"); }

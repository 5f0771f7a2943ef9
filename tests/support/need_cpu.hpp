#pragma once

#include "serpette/deploy/amx_kernels.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "support/catch.hpp"

namespace serpette::test {

/// Skips a test where bfloat16 or bytes are not multiplied.
inline void need_dots() {
  if (!deploy::has_bfloat16() || !deploy::has_int8())
    SKIP("this processor has no AVX512-BF16, or no VNNI");
}

/// Skips a test where no tiles are.
inline void need_amx() {
  if (!deploy::has_amx<deploy::BFloat16>() || !deploy::has_amx<deploy::Int8>())
    SKIP("this processor has no AMX");
}

}  // namespace serpette::test

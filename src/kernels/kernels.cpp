// The one place where they are not inline: see serpette/detail/kernels.hpp.
#define SERPETTE_KERNELS_HERE
#include "serpette/deploy/amx_kernels.hpp"
#include "serpette/deploy/dense_kernels.hpp"
#include "serpette/deploy/dot_kernels.hpp"
#include "serpette/deploy/kernel_winograd_kernels.hpp"
#include "serpette/deploy/map_kernels.hpp"
#include "serpette/deploy/sparse_kernels.hpp"

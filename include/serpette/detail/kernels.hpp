#pragma once

/// @internal Where loops for every instruction set are compiled.

/// @file
/// The tables of plans' loops take a compiler longer than all that calls them. They are inline, as
/// the rest of the library is; a program that links serpette::kernels gets SERPETTE_KERNELS_APART,
/// with which headers only declare them, and src/kernels/kernels.cpp, compiled once, has them.

#if defined(SERPETTE_KERNELS_HERE) || defined(SERPETTE_KERNELS_APART)
#define SERPETTE_KERNELS
#else
#define SERPETTE_KERNELS inline
#endif

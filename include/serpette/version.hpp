#pragma once

/// @file
/// The one home of the version; CMake reads these three lines.

#define SERPETTE_VERSION_MAJOR 0
#define SERPETTE_VERSION_MINOR 1
#define SERPETTE_VERSION_PATCH 0

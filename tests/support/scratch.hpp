#pragma once

#include "serpette/io/temporary_folder.hpp"

namespace serpette::test {

/// A fresh folder that lives as long as the test.
using Scratch = TemporaryFolder;

}  // namespace serpette::test

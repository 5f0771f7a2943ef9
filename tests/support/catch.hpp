#pragma once

#include "serpette/laws/catch.hpp"

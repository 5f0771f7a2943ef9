#include "serpette/app/device.hpp"

#include "support/catch.hpp"

namespace {

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("a device is named as LibTorch names it", "[device]") {
  CHECK(cli::parse_device("cpu") == at::Device(at::kCPU));
  const auto name =
      GENERATE(as<std::string>{}, "gpu", "cuda:", "cuda:x", "cuda:12345", "cpu+tf32", "+tf32");
  INFO(name);
  CHECK_THROWS_WITH(cli::parse_device(name), ContainsSubstring("--device"));
}

}  // namespace

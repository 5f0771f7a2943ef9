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

TEST_CASE("the GPU of one of several processes keeps what stands behind its name", "[device]") {
  CHECK(cli::numbered_gpu("auto", 2) == "cuda:2");
  CHECK(cli::numbered_gpu("cuda", 0) == "cuda:0");
  CHECK(cli::numbered_gpu("cuda+tf32", 1) == "cuda:1+tf32");
  CHECK(cli::numbered_gpu("auto+tf32", 3) == "cuda:3+tf32");
}

}  // namespace

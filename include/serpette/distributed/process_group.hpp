#pragma once

/// @file
/// LibTorch's process groups, in programs that link serpette::distributed: it brings Gloo's headers
/// and defines USE_C10D_GLOO (and USE_C10D_NCCL where NCCL's and CUDA's headers are there). Other
/// programs can only be alone.

#ifdef USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#endif

#include <chrono>
#include <cstdint>
#include <exception>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/peers.hpp"
#include "serpette/distributed/launch.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

#ifdef USE_C10D_GLOO

/// Joins the processes of a launch: they meet at process 0's address and sum tensors with NCCL on
/// GPUs, with Gloo else. A process that dies ends the others' next sum with an Error.
class ProcessGroup {
 public:
  /// Waits until all processes are there.
  /// @param device   where the tensors to sum will be.
  /// @param timeout  how long to wait for another process, now and at every sum.
  /// @throws Error   if they do not meet in time.
  ProcessGroup(const Launch& launch, at::Device device,
               std::chrono::seconds timeout = std::chrono::minutes(30))
      : share_{launch.rank, launch.size} {
    if (launch.size == 1) return;
    attempt([&] {
      c10d::TCPStoreOptions options;
      options.port = static_cast<std::uint16_t>(launch.port);
      options.isServer = launch.rank == 0 && !launch.hosted;
      options.numWorkers = static_cast<std::size_t>(launch.size);
      options.timeout = timeout;
      store_ = c10::make_intrusive<c10d::TCPStore>(launch.address, options);
      backend_ = device.is_cuda() ? nccl(launch, timeout) : gloo(launch, timeout);
    });
  }

  /// What `set_peers` of a detector takes; keeps the group alive.
  [[nodiscard]] Peers peers() const {
    if (share_.size == 1) return {};
    return {share_, [group = *this](at::Tensor& tensor) { group.sum(tensor); }};
  }

 private:
  c10::intrusive_ptr<c10d::Backend> gloo(const Launch& launch, std::chrono::seconds timeout) const {
    const auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
    return c10::make_intrusive<c10d::ProcessGroupGloo>(store_, launch.rank, launch.size, options);
  }

  c10::intrusive_ptr<c10d::Backend> nccl([[maybe_unused]] const Launch& launch,
                                         [[maybe_unused]] std::chrono::seconds timeout) const {
#ifdef USE_C10D_NCCL
    const auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = timeout;
    return c10::make_intrusive<c10d::ProcessGroupNCCL>(store_, launch.rank, launch.size, options);
#else
    fail("process group", "tensors on a GPU need NCCL, but this was built without its headers");
#endif
  }

  void sum(at::Tensor& tensor) const {
    const torch::NoGradGuard no_grad;
    attempt([&] {
      std::vector<at::Tensor> dense{tensor.contiguous()};
      backend_->allreduce(dense)->wait();
      if (!dense.front().is_same(tensor)) tensor.copy_(dense.front());
    });
  }

  /// Errors of the network come as one of several kinds of exception.
  template <class Body>
  void attempt(Body&& body) const {
    try {
      body();
    } catch (const Error&) {
      throw;
    } catch (const c10::Error& error) {
      fail("process group", "should reach all {} processes, got: {}", share_.size,
           error.what_without_backtrace());
    } catch (const std::exception& error) {
      fail("process group", "should reach all {} processes, got: {}", share_.size, error.what());
    }
  }

  Share share_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::Backend> backend_;
};

#endif  // USE_C10D_GLOO

/// The other processes of a launch, once all are there.
/// @param device  where the tensors that they will sum are.
/// @throws Error  if they do not meet, or this program was built without process groups and should
/// not be alone.
inline Peers join(const Launch& launch, [[maybe_unused]] at::Device device) {
#ifdef USE_C10D_GLOO
  return ProcessGroup(launch, device).peers();
#else
  require(launch.size == 1, "processes",
          "should be 1, got {}: this program was built without Gloo's headers", launch.size);
  return {};
#endif
}

}  // namespace serpette

#pragma once

/// @file
/// A second device on any machine: LibTorch's place for backends of others (PrivateUse1), filled
/// with one whose tensors lie in the CPU's memory and whose operations are the CPU's. For our code
/// it is what a GPU is: paths that ask for the CPU are not taken, tensors of two devices do not
/// meet in an operation, random numbers are drawn on the CPU and brought over. And it counts what a
/// GPU would have to wait for.

#include "serpette/torch/nn.hpp"

#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/Storage.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/cuda.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace serpette::test {

/// What went over between the second device and the CPU.
struct Traffic {
  /// Copies to the CPU, numbers that were asked for (`item`) and sizes that depend on values
  /// (`nonzero`, masks as indices): at each of them the CPU waits for the device.
  std::int64_t to_cpu = 0;
  std::int64_t to_device = 0;  ///< Copies to the device.

  friend Traffic operator-(const Traffic& a, const Traffic& b) {
    return {a.to_cpu - b.to_cpu, a.to_device - b.to_device};
  }
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

namespace second {

inline const c10::Device kDevice{c10::DeviceType::PrivateUse1, 0};
inline std::atomic<std::int64_t> to_cpu{0}, to_device{0};

inline bool is_ours(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == kDevice.type();
}

/// Memory of the device that `owner`, a handle of the CPU's memory, holds.
template <class Owner>
c10::DataPtr held_by(void* memory, Owner owner) {
  return {memory, new Owner(std::move(owner)),
          [](void* context) { delete static_cast<Owner*>(context); }, kDevice};
}

struct Allocator final : c10::Allocator {
  /// Bytes of the largest block that it has room for.
  std::size_t largest = std::numeric_limits<std::size_t>::max();

  c10::DataPtr allocate(std::size_t bytes) override {
    TORCH_CHECK_WITH(OutOfMemoryError, bytes <= largest, "second out of memory. Tried to allocate ",
                     bytes, " bytes. GPU 0 has more to say.");
    auto memory = c10::GetCPUAllocator()->allocate(bytes);
    void* const data = memory.get();
    return held_by(data, std::move(memory));
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};
inline Allocator allocator;

/// The one device; operations of it are finished when they return.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1> {
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  c10::Stream getStream(c10::Device) const noexcept override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return stream(); }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }

  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
};

/// Autograd asks whether the device is there before it sums gradients on it.
struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

/// A tensor over a storage with another's sizes and strides.
inline at::Tensor over(c10::Storage storage, c10::DispatchKey key, const at::Tensor& like) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage),
                                                         c10::DispatchKeySet(key), like.dtype());
  auto* impl = tensor.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  if (like.dim() == 0) impl->set_wrapped_number(like.unsafeGetTensorImpl()->is_wrapped_number());
  return tensor;
}

/// A storage of the device that lies where one of the CPU's lies, and keeps it.
inline c10::Storage around(const c10::Storage& cpu) {
  return {c10::Storage::use_byte_size_t(), cpu.nbytes(), held_by(cpu.mutable_data(), cpu),
          &allocator, /*resizable=*/true};
}

/// The tensors of one call as the CPU's, over the same memory, and the way back.
class Call {
 public:
  explicit Call(std::string_view operation) : operation_(operation) {}

  /// @param is_written  by the operation.
  /// @throws c10::Error  for a tensor of the CPU, unless it is a number.
  at::Tensor on_cpu(const at::Tensor& tensor, bool is_written = false) {
    if (!tensor.defined()) return tensor;
    if (!is_ours(tensor)) {
      TORCH_CHECK(tensor.is_cpu() && tensor.dim() == 0 && !is_written, operation_,
                  ": expected all tensors to be on the same device, but found one of ",
                  tensor.device(), " beside others of ", kDevice);
      return tensor;
    }
    for (const auto& [ours, cpu] : lent_)
      if (ours.is_same(tensor)) return cpu;
    const auto& storage = tensor.storage();
    const auto cpu = over({c10::Storage::use_byte_size_t(), storage.nbytes(),
                           c10::DataPtr(storage.mutable_data(), c10::Device(at::kCPU)),
                           c10::GetCPUAllocator(), /*resizable=*/true},
                          c10::DispatchKey::CPU, tensor);
    lent_.emplace_back(tensor, cpu);
    return cpu;
  }

  /// A result: what was lent, a view of it, or a new tensor.
  at::Tensor on_device(const at::Tensor& result) {
    if (!result.defined()) return result;
    for (const auto& [ours, cpu] : lent_)
      if (cpu.is_same(result)) return ours;
    for (const auto& [ours, cpu] : lent_)
      if (cpu.storage().is_alias_of(result.storage()))
        return over(ours.storage(), c10::DispatchKey::PrivateUse1, result);
    return over(around(result.storage()), c10::DispatchKey::PrivateUse1, result);
  }

  /// Takes over what the operation did to sizes and storage of what was lent: `out` arguments grow.
  void settle() {
    for (const auto& [ours, cpu] : lent_) {
      auto* impl = ours.unsafeGetTensorImpl();
      if (cpu.storage().data() != ours.storage().data())
        impl->set_storage_keep_dtype(around(cpu.storage()));
      if (cpu.sizes() != ours.sizes() || cpu.strides() != ours.strides())
        impl->set_sizes_and_strides(cpu.sizes(), cpu.strides(), cpu.storage_offset());
    }
  }

 private:
  struct Lent {
    at::Tensor ours, cpu;
  };
  std::string_view operation_;
  std::vector<Lent> lent_;
};

/// Every tensor in a value, replaced by `f` of it.
template <class F>
c10::IValue each_tensor(const c10::IValue& value, const F& f) {
  if (value.isTensor()) return f(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> all;
    for (const at::Tensor& tensor : value.toTensorVector()) all.push_back(f(tensor));
    return all;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> all;
    for (const std::optional<at::Tensor> tensor : value.toOptionalTensorList())
      all.push_back(tensor ? std::optional(f(*tensor)) : std::nullopt);
    return all;
  }
  return value;
}

/// How often the CPU waits for an operation on a GPU, as the operation says a number or makes a
/// tensor whose size depends on values.
inline std::int64_t waits(std::string_view operation, const c10::IValue* arguments,
                          std::size_t count) {
  constexpr std::array<std::string_view, 6> kWaiting{
      "aten::_local_scalar_dense", "aten::equal",    "aten::nonzero",
      "aten::masked_select",       "aten::_unique2", "aten::repeat_interleave"};
  if (std::ranges::find(kWaiting, operation) != kWaiting.end()) return 1;
  if (operation != "aten::_index_put_impl_") return 0;
  std::int64_t masks = 0;
  for (std::size_t i = 0; i < count; ++i)
    if (arguments[i].isOptionalTensorList())
      (void)each_tensor(arguments[i], [&](const at::Tensor& index) {
        masks += index.defined() && index.scalar_type() == at::kBool;
        return index;
      });
  return masks;
}

/// Any operation: the CPU's, on the same memory.
inline void compute(const c10::OperatorHandle& handle, c10::DispatchKeySet,
                    torch::jit::Stack* stack) {
  const auto& schema = handle.schema();
  const auto count = schema.arguments().size();
  const auto begin = stack->size() - count;
  to_cpu += waits(schema.name(), stack->data() + begin, count);
  Call call(schema.name());
  for (std::size_t i = 0; i < count; ++i) {
    const auto& argument = schema.arguments()[i];
    TORCH_CHECK(argument.name() != "generator", schema.name(),
                ": random numbers should be drawn on the CPU, which gives every device the same");
    const bool is_written = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
    auto& value = (*stack)[begin + i];
    value = each_tensor(value,
                        [&](const at::Tensor& tensor) { return call.on_cpu(tensor, is_written); });
  }
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  }
  call.settle();
  for (std::size_t i = 0; i < schema.returns().size(); ++i) {
    auto& value = (*stack)[stack->size() - 1 - i];
    value = each_tensor(value, [&](const at::Tensor& tensor) { return call.on_device(tensor); });
  }
}

inline at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type,
                        std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                        std::optional<at::MemoryFormat> format) {
  return {at::detail::empty_generic(size, &allocator,
                                    c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                    c10::dtype_or_default(type), format)};
}

inline at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                                std::optional<at::ScalarType> type, std::optional<at::Layout>,
                                std::optional<at::Device>, std::optional<bool>) {
  return {at::detail::empty_strided_generic(size, stride, &allocator,
                                            c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                            c10::dtype_or_default(type))};
}

/// All copies, between devices and within one.
inline at::Tensor copy(const at::Tensor& from, const at::Tensor& to, bool) {
  if (from.numel() > 0) {
    to_cpu += is_ours(from) && !is_ours(to);
    to_device += !is_ours(from) && is_ours(to);
  }
  Call call("copy");
  const at::AutoDispatchBelowADInplaceOrView below;
  const auto target = is_ours(to) ? call.on_cpu(to) : to;
  target.copy_(is_ours(from) ? call.on_cpu(from) : from);
  return to;
}

/// LibTorch chooses a convolution by the device, and asks us for this one.
inline at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                              at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                              at::IntArrayRef output_padding, std::int64_t groups) {
  Call call("convolution");
  const at::AutoDispatchBelowADInplaceOrView below;
  return call.on_device(at::convolution(
      call.on_cpu(x), call.on_cpu(weight), bias ? std::optional(call.on_cpu(*bias)) : std::nullopt,
      stride, padding, dilation, transposed, output_padding, groups));
}

inline std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
    at::IntArrayRef output_padding, std::int64_t groups, std::array<bool, 3> wanted) {
  Call call("convolution_backward");
  const at::AutoDispatchBelowADInplaceOrView below;
  const std::array bias_sizes{weight.size(0)};
  const auto [by_x, by_weight, by_bias] =
      at::convolution_backward(call.on_cpu(gradient), call.on_cpu(x), call.on_cpu(weight),
                               at::OptionalIntArrayRef(bias_sizes), stride, padding, dilation,
                               transposed, output_padding, groups, wanted);
  return {call.on_device(by_x), call.on_device(by_weight), call.on_device(by_bias)};
}

/// Archives take a tensor's whole storage in this way. A storage is no tensor that could be lent.
inline at::Tensor& set_storage(at::Tensor& to, c10::Storage storage, std::int64_t offset,
                               at::IntArrayRef size, at::IntArrayRef stride) {
  TORCH_CHECK(storage.device() == kDevice, "set_: a storage should be on the tensor's device");
  auto* impl = to.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_sizes_and_strides(size, stride, offset);
  return to;
}

/// Modules move by `set_data`, which asks whether a tensor may take another's place.
inline bool compatible(const at::Tensor&, const at::Tensor&) { return true; }

/// Makes the device known to LibTorch, before the first backward pass starts autograd's threads.
/// Not where there is a GPU, unless SERPETTE_SECOND_DEVICE is set: autograd takes one kind of
/// device besides the CPU, this one before a GPU, whose backward passes then fail.
/// @return whether it is known.
inline bool make_known() {
  if (torch::cuda::is_available() && std::getenv("SERPETTE_SECOND_DEVICE") == nullptr) return false;
  constexpr auto kKey = c10::DispatchKey::PrivateUse1;
  c10::impl::device_guard_impl_registry[static_cast<std::size_t>(kDevice.type())] = new Guard;
  c10::SetAllocator(kDevice.type(), &allocator);
  c10::register_privateuse1_backend("second");
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  static torch::Library rest(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
  rest.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>());
  static torch::Library own(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
  own.impl("empty.memory_format", &empty);
  own.impl("empty_strided", &empty_strided);
  own.impl("_copy_from", &copy);
  own.impl("convolution_overrideable", &convolution);
  own.impl("convolution_backward_overrideable", &convolution_backward);
  own.impl("set_.source_Storage_storage_offset", &set_storage);
  own.impl("_has_compatible_shallow_copy_type", &compatible);
  return true;
}

}  // namespace second

/// The second device.
inline const c10::Device kSecondDevice = second::kDevice;
inline const bool kSecondDeviceIsKnown = second::make_known();

/// Skips a test that is about the second device where a GPU has its place.
inline void need_second_device() {
  if (!kSecondDeviceIsKnown)
    SKIP("a GPU is here; SERPETTE_SECOND_DEVICE=1 takes the second device in its place");
}

/// What goes over while `f` runs.
template <class F>
Traffic traffic_of(const F& f) {
  const auto now = [] { return Traffic{second::to_cpu, second::to_device}; };
  const auto before = now();
  f();
  return now() - before;
}

}  // namespace serpette::test

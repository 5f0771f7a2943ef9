#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "serpette/core/settings.hpp"  // so that every policy can describe its own

/// @namespace serpette::req
/// The atoms of serpette's concepts: one requirement each, named by the word a compiler error
/// shows. Look the word up here or in docs/policies/.
namespace serpette::req {

/// `static constexpr std::string_view name`: the label of the policy in tables and reports, in the
/// paper's words where the paper has some. It belongs to the type: a name that is not static, or
/// not known to the compiler, is none.
template <class P>
concept Named = requires {
  { P::name } -> std::convertible_to<std::string_view>;
  typename std::integral_constant<std::size_t, std::string_view(P::name).size()>;
};

/// A policy is a value: it can be copied, and equal settings give equal runs.
template <class P>
concept Value = std::copyable<P>;

}  // namespace serpette::req
